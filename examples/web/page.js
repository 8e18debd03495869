// The page's own part: sends what is opened, dropped or photographed to worker.js, and shows the results.
const $ = (id) => document.getElementById(id);

const worker = new Worker("worker.js");
const waiting = new Map();  // id -> {resolve, reject}
let calls = 0;
worker.onmessage = ({data: {id, progress, result, error}}) => {
  if (progress !== undefined) {
    $("progress").value = progress;
    return;
  }
  const {resolve, reject} = waiting.get(id);
  waiting.delete(id);
  error === undefined ? resolve(result) : reject(new Error(error));
};
worker.onerror = ({message}) => say(`The model can't run in this browser: ${message}`, true);

/** Calls worker.js and resolves with its result. */
function ask(call, values = {}) {
  return new Promise((resolve, reject) => {
    waiting.set(++calls, {resolve, reject});
    worker.postMessage({id: calls, call, ...values});
  });
}

function say(text, isError = false) {
  $("state").textContent = text;
  $("state").classList.toggle("error", isError);
}

/** Shows that `work` is in progress, and the error if it fails. */
async function during(text, work) {
  say(text);
  $("progress").hidden = false;
  $("progress").removeAttribute("value");
  try {
    return await work();
  } catch (error) {
    say(error.message, true);
  } finally {
    $("progress").hidden = true;
  }
}

const seconds = (milliseconds) =>
  milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`;

let model = {url: "beit_fashion_mnist.safetensors"};  // or {file}
let photograph;                                       // {file} or {image}

async function load() {
  await during("Loading the model …", async () => {
    const loaded = await ask("load", {...model, precision: $("precision").value});
    const [height, width] = loaded.image;
    say(`${loaded.name}: ${loaded.classes} classes, images of ${height} x ${width}; loaded in ` +
        seconds(loaded.milliseconds));
    if (photograph) await classify();
  });
}

function paint(canvas, image) {
  [canvas.width, canvas.height] = [image.width, image.height];
  canvas.getContext("2d").putImageData(image, 0, 0);
}

function list({classes, probabilities}) {
  $("classes").replaceChildren(...classes.map(({label, score}) => {
    const item = document.createElement("li");
    item.innerHTML = `<div class="name"><span></span><span class="number"></span></div>
                      <div class="bar"><div></div></div>`;
    const [name, number] = item.querySelectorAll("span");
    name.textContent = label;
    number.textContent = probabilities ? `${(100 * score).toFixed(2)} %` : score.toFixed(4);
    item.querySelector(".bar div").style.width = probabilities ? `${100 * score}%` : 0;
    return item;
  }));
}

async function classify() {
  await during("Classifying …", async () => {
    const result = await ask(photograph.file ? "classifyFile" : "classifyPixels", photograph);
    list(result);
    paint($("input"), (await ask("drawInput")).image);
    say(`Classified in ${seconds(result.milliseconds)}; drawing its attention …`);
    const attention = await ask("drawAttention");
    paint($("attention"), attention.image);
    say(`Classified in ${seconds(result.milliseconds)}, attention in ${seconds(attention.milliseconds)}.`);
  });
}

function open(file) {
  if (file.name.endsWith(".safetensors")) {
    model = {file};
    return load();
  }
  photograph = {file};
  return classify();
}

$("model").onchange = $("photograph").onchange = ({target}) => {
  if (target.files.length > 0) open(target.files[0]);
  target.value = "";  // so that the same file can be opened again
};
$("precision").onchange = load;
for (const button of document.querySelectorAll("[data-sample]")) {
  button.onclick = async () => {
    const response = await fetch(button.dataset.sample);
    open(new File([await response.blob()], button.dataset.sample));
  };
}

addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dropping");
});
addEventListener("dragleave", ({relatedTarget}) => relatedTarget ?? document.body.classList.remove("dropping"));
addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dropping");
  for (const file of event.dataTransfer.files) open(file);
});

const viewfinder = document.querySelector(".viewfinder");
function stopCamera() {
  for (const track of $("video").srcObject?.getTracks() ?? []) track.stop();
  $("video").srcObject = null;
  viewfinder.hidden = true;
}
$("camera").onclick = async () => {
  if (!viewfinder.hidden) return stopCamera();
  try {
    if (!navigator.mediaDevices) throw new Error("browsers allow it only on https pages and on localhost");
    $("video").srcObject = await navigator.mediaDevices.getUserMedia({video: {facingMode: "environment"}});
    viewfinder.hidden = false;
  } catch (error) {
    say(`The camera can't be used: ${error.message}`, true);
  }
};
$("shutter").onclick = () => {
  const canvas = new OffscreenCanvas($("video").videoWidth, $("video").videoHeight);
  const context = canvas.getContext("2d");
  context.drawImage($("video"), 0, 0);
  photograph = {image: context.getImageData(0, 0, canvas.width, canvas.height)};
  stopCamera();
  classify();
};

load();
