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

// The model: {url} or {file}, and {config} and {preprocessor}, the files that were opened with it. The only one with a
// url is the demo model.
let model = {url: "beit_fashion_mnist.safetensors"};
let photograph;  // {file} or {image}
let shown;       // the classes and scores on the page

async function load() {
  await during("Loading the model …", async () => {
    const loaded = await ask("load", {...model, precision: $("precision").value});
    const [height, width] = loaded.image;
    say(`${loaded.name}: ${loaded.classes} classes, images of ${height} x ${width}; loaded in ` +
        seconds(loaded.milliseconds));
    if (photograph && !isLive) await classify();
  });
}

function paint(canvas, image) {
  [canvas.width, canvas.height] = [image.width, image.height];
  canvas.getContext("2d").putImageData(image, 0, 0);
}

function list({classes, probabilities}) {
  shown = classes.map(({label, score}) => ({
    label,
    text: probabilities ? `${(100 * score).toFixed(2)} %` : score.toFixed(4),
    share: probabilities ? score : 0,
  }));
  $("classes").replaceChildren(...shown.map(({label, text, share}) => {
    const item = document.createElement("li");
    item.innerHTML = `<div class="name"><span></span><span class="number"></span></div>
                      <div class="bar"><div></div></div>`;
    const [name, number] = item.querySelectorAll("span");
    [name.textContent, number.textContent] = [label, text];
    item.querySelector(".bar div").style.width = `${100 * share}%`;
    return item;
  }));
}

/** Says that the demo model can't judge a photograph, if it can't. */
function warn(unlikeDemo) {
  $("note").hidden = !(model.url && unlikeDemo);
  $("note").textContent = "The demo model knows ten kinds of clothes in grey pictures of 28 pixels. This picture isn't " +
                          `like them (${unlikeDemo}): the answer means little. Open a model for photographs.`;
}

/** Shows what the model makes of the photograph. Returns the milliseconds of the classes and of the attention. */
async function show() {
  const result = await ask(photograph.file ? "classifyFile" : "classifyPixels", photograph);
  list(result);
  warn(result.unlike_demo);
  paint($("input"), (await ask("drawInput")).image);
  const attention = await ask("drawAttention");
  paint($("attention"), attention.image);
  $("save").hidden = false;
  return [result.milliseconds, attention.milliseconds];
}

async function classify() {
  await during("Classifying …", async () => {
    const [classes, attention] = await show();
    say(`Classified in ${seconds(classes)}, attention in ${seconds(attention)}.`);
  });
}

/** Opens files together: a model with the files that belong to it, or a photograph, or both. */
function open(files) {
  const named = (...names) => files.find(({name}) => names.includes(name));
  const weights = files.find(({name}) => name.endsWith(".safetensors"));
  const image = files.find(({name}) => !/\.(safetensors|json)$/.test(name));
  if (!weights && !image) return say(`${files[0].name}: wanted the model's .safetensors file with it`, true);
  stopCamera();
  if (image) photograph = {file: image};
  if (!weights) return classify();
  const config = named("config.json"), preprocessor = named("processor_config.json", "preprocessor_config.json");
  model = {file: weights, config, preprocessor};
  return load();
}

$("model").onchange = $("photograph").onchange = ({target}) => {
  if (target.files.length > 0) open([...target.files]);
  target.value = "";  // so that the same file can be opened again
};
$("precision").onchange = load;
for (const button of document.querySelectorAll("[data-sample]")) {
  button.onclick = async () => {
    const response = await fetch(button.dataset.sample);
    open([new File([await response.blob()], button.dataset.sample)]);
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
  if (event.dataTransfer.files.length > 0) open([...event.dataTransfer.files]);
});

const viewfinder = document.querySelector(".viewfinder");
let isLive = false;
let runs = 0;  // how often live classification has begun

function setLive(on) {
  isLive = on;
  $("live").textContent = on ? "Stop" : "Classify live";
  viewfinder.classList.toggle("small", on);  // the results show the same picture
}

function stopCamera() {
  for (const track of $("video").srcObject?.getTracks() ?? []) track.stop();
  $("video").srcObject = null;
  setLive(false);
  viewfinder.hidden = true;
}

/** The picture that the camera shows now. */
function frame() {
  const canvas = new OffscreenCanvas($("video").videoWidth, $("video").videoHeight);
  const context = canvas.getContext("2d");
  context.drawImage($("video"), 0, 0);
  return {image: context.getImageData(0, 0, canvas.width, canvas.height)};
}

$("camera").disabled = !navigator.mediaDevices;
$("insecure").hidden = !$("camera").disabled;
$("camera").onclick = async () => {
  if (!viewfinder.hidden) return stopCamera();
  try {
    $("video").srcObject = await navigator.mediaDevices.getUserMedia({video: {facingMode: "environment"}});
    viewfinder.hidden = false;
  } catch (error) {
    say(`The camera can't be used: ${error.message}`, true);
  }
};
$("shutter").onclick = () => {
  photograph = frame();
  stopCamera();
  classify();
};

/** Shows what the model makes of one frame after the other, each the newest, until the button is pressed again. */
$("live").onclick = async () => {
  setLive(!isLive);
  const run = ++runs, times = [];  // when the last results came, in milliseconds
  try {
    while (isLive && run === runs) {
      photograph = frame();
      await show();
      times.push(performance.now());
      if (times.length > 11) times.shift();
      const rate = 1000 * (times.length - 1) / (times.at(-1) - times[0]);
      if (times.length > 1 && isLive) say(`Live: ${rate.toFixed(1)} frames per second, with the attention of each.`);
      await new Promise(requestAnimationFrame);  // none come while the page is hidden
    }
  } catch (error) {
    stopCamera();
    say(error.message, true);
  }
};

/** Saves what the model sees, where it looks, and the classes as one picture. */
$("save").onclick = async () => {
  const pictures = [$("input"), $("attention")];
  const gap = 24, column = 400, row = 64;
  const width = pictures.reduce((sum, {width}) => sum + width + gap, gap);
  const height = Math.max(...pictures.map(({height}) => height), row * shown.length);
  const canvas = new OffscreenCanvas(width + column + gap, height + 2 * gap), context = canvas.getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, canvas.width, canvas.height);
  let left = gap;
  for (const picture of pictures) {
    context.drawImage(picture, left, gap);
    left += picture.width + gap;
  }
  context.font = "20px system-ui, sans-serif";
  shown.forEach(({label, text, share}, i) => {
    const top = gap + row * i, space = column - context.measureText(text).width - gap;
    context.fillStyle = "#1d1f24";
    context.textAlign = "left";
    context.fillText(label, left, top + 20, space);  // long names are condensed
    context.textAlign = "right";
    context.fillText(text, left + column, top + 20);
    context.fillStyle = "#f1f3f6";
    context.fillRect(left, top + 30, column, 12);
    context.fillStyle = "#3b4cc0";
    context.fillRect(left, top + 30, column * share, 12);
  });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await canvas.convertToBlob());
  link.download = `${photograph.file?.name.replace(/\.[^.]*$/, "") ?? "camera"}-beit.png`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);  // by then the browser has read it
};

load();
