// Runs the model, so that the page stays alive. A message in is {id, call, ...}; out come {id, progress} and, last,
// {id, result} or {id, error}.
importScripts("beit.js");

const beit = createBeit();

/** Copies a Blob or a Response's body into the module's memory, piece by piece. */
async function handOver(stream, size, progress) {
  const module = await beit;
  const start = module._reserve(size);
  if (size > 0 && start === 0) throw new Error(`no memory for ${size} bytes`);
  const reader = stream.getReader();
  let done = 0;
  for (let part; !(part = await reader.read()).done; done += part.value.length) {
    if (done + part.value.length > size) throw new Error("the file is longer than it said");
    module.HEAPU8.set(part.value, start + done);  // anew each time: memory that has grown lies elsewhere
    progress?.((done + part.value.length) / size);
  }
  if (done < size) throw new Error("the file ended early");
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
  /** {file} or {url}, {precision} */
  async load({file, url, precision}, progress) {
    let source = file;
    if (url) {
      const response = await fetch(url);
      if (!response.ok) throw new Error(`${url}: ${response.status} ${response.statusText}`);
      source = await response.blob();
    }
    await handOver(source.stream(), source.size, progress);
    const name = (file?.name ?? url).split("/").pop();
    return call("load_model", ["string", "string"], [name, precision]);
  },
  /** A file as it is, decoded by the library; what it can't read, by the browser. */
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
  // One after the other: they share the module's memory.
  last = last.then(async () => {
    try {
      const result = await calls[data.call](data, (progress) => postMessage({id: data.id, progress}));
      postMessage({id: data.id, result});
    } catch (error) {
      postMessage({id: data.id, error: error.message});
    }
  });
};
