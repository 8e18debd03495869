// Runs the model, so that the page stays responsive. Messages to the worker are {id, call, ...}. It answers with
// {id, progress} any number of times, then with {id, result} or {id, error}.
importScripts("beit.js");

const beit = createBeit();

/** Copies the stream of a Blob into the module's memory, piece by piece. */
async function handOver(stream, size, progress) {
  const module = await beit;
  const start = module._reserve(size);
  if (size > 0 && start === 0) throw new Error(`out of memory: the file has ${size} bytes`);
  const reader = stream.getReader();
  let done = 0;
  for (let part; !(part = await reader.read()).done; done += part.value.length) {
    if (done + part.value.length > size) throw new Error("the file is longer than its size says");
    module.HEAPU8.set(part.value, start + done);  // HEAPU8 is read anew each time: memory that has grown has moved
    progress?.((done + part.value.length) / size);
  }
  if (done < size) throw new Error("the file is shorter than its size says");
}

async function call(name, types, values) {
  const answer = JSON.parse((await beit).ccall(name, "string", types, values));
  if (answer.error) throw new Error(answer.error);
  return answer;
}

async function draw(name) {
  const {width, height, milliseconds} = await call(name, [], []);
  const module = await beit, start = module._picture();
  const pixels = new Uint8ClampedArray(module.HEAPU8.slice(start, start + 4 * width * height).buffer);
  return {image: new ImageData(pixels, width, height), milliseconds};
}

const calls = {
  /** {file} or {url}, {precision}, and {config} and {preprocessor}, the files that belong to it, if there are any */
  async load({file, url, precision, config, preprocessor}, progress) {
    let source = file;
    if (url) {
      const response = await fetch(url);
      if (!response.ok) throw new Error(`${url}: ${response.status} ${response.statusText}`);
      source = await response.blob();
    }
    await handOver(source.stream(), source.size, progress);
    const name = (file?.name ?? url).split("/").pop();
    const texts = await Promise.all([config, preprocessor].map((blob) => blob?.text() ?? ""));
    return call("load_model", ["string", "string", "string", "string"], [name, precision, ...texts]);
  },
  /** Classifies a file: the library decodes it, or else the browser if the library can't. */
  async classifyFile({file}) {
    await handOver(file.stream(), file.size);
    try {
      return await call("classify_file", ["string"], [file.name]);
    } catch (error) {
      const bitmap = await createImageBitmap(file).catch(() => { throw error; });
      const canvas = new OffscreenCanvas(bitmap.width, bitmap.height), context = canvas.getContext("2d");
      context.drawImage(bitmap, 0, 0);
      return calls.classifyPixels({image: context.getImageData(0, 0, bitmap.width, bitmap.height)});
    }
  },
  async classifyPixels({image}) {
    const bytes = new Blob([image.data]);
    await handOver(bytes.stream(), bytes.size);
    return call("classify_pixels", ["number", "number"], [image.height, image.width]);
  },
  drawInput: () => draw("draw_input"),
  drawAttention: () => draw("draw_attention"),
};

let last = Promise.resolve();
onmessage = ({data}) => {
  // Calls run one after the other, because they share the module's memory.
  last = last.then(async () => {
    try {
      const result = await calls[data.call](data, (progress) => postMessage({id: data.id, progress}));
      postMessage({id: data.id, result});
    } catch (error) {
      postMessage({id: data.id, error: error.message});
    }
  });
};
