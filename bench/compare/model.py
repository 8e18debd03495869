"""The model for all runtimes: BEiT-Base/16 with timm's names and random numbers, in each form that they read.

make_files(folder, size) writes the files that are missing, for square images of that many pixels:

    beit_base.safetensors       float32                            this library, PyTorch
    beit_base_bf16.safetensors  the matrices rounded to bfloat16   this library's cold start
    beit_base.onnx              float32                            ONNX Runtime
    beit_base.xml, .bin         OpenVINO's own form                OpenVINO
    beit_base_int8.onnx         dynamically quantised              ONNX Runtime
    images.npy                  preprocessed images, (B, 3*size*size), B = batches(size)[-1]
    logits.npy                  logits of the ONNX graph in double precision, float64 (B, 1000)

The ONNX graph is built here and follows timm's module operation by operation, so no PyTorch is needed. The position
bias is gathered and the qkv bias joined beforehand, as an exporter's constant folding does.
"""
import hashlib
import os
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "weights_tools"))
import random_model

NAME = "beit_base_patch16_224"
SIZE, PATCH, DIM, DEPTH, HEADS, HIDDEN, CLASSES = 224, 16, 768, 12, 12, 3072, 1000


def batches(size):
    """Returns the batch sizes to time: larger images aren't batched, for they keep every processor busy one by one."""
    return (1, 8) if size <= SIZE else (1,)


def operations_per_image(size):
    """Returns the number of multiplications and additions in the matrix products of one image."""
    patches = (size // PATCH) ** 2
    tokens = patches + 1
    block = tokens * DIM * 3 * DIM + 2 * tokens * tokens * DIM + tokens * DIM * DIM + 2 * tokens * DIM * HIDDEN
    return 2 * (patches * DIM * 3 * PATCH * PATCH + DEPTH * block + DIM * CLASSES)


def parameter_shapes(size):
    """Returns the name and shape of each parameter, in timm's order."""
    grid = size // PATCH
    shapes = {"cls_token": (1, 1, DIM), "patch_embed.proj.weight": (DIM, 3, PATCH, PATCH),
              "patch_embed.proj.bias": (DIM,)}
    block = {"gamma_1": (DIM,), "gamma_2": (DIM,), "norm1.weight": (DIM,), "norm1.bias": (DIM,),
             "attn.q_bias": (DIM,), "attn.v_bias": (DIM,),
             "attn.relative_position_bias_table": ((2 * grid - 1) ** 2 + 3, HEADS),
             "attn.qkv.weight": (3 * DIM, DIM), "attn.proj.weight": (DIM, DIM), "attn.proj.bias": (DIM,),
             "norm2.weight": (DIM,), "norm2.bias": (DIM,), "mlp.fc1.weight": (HIDDEN, DIM), "mlp.fc1.bias": (HIDDEN,),
             "mlp.fc2.weight": (DIM, HIDDEN), "mlp.fc2.bias": (DIM,)}
    for i in range(DEPTH):
        shapes.update({f"blocks.{i}.{name}": shape for name, shape in block.items()})
    shapes.update({"fc_norm.weight": (DIM,), "fc_norm.bias": (DIM,),
                   "head.weight": (CLASSES, DIM), "head.bias": (CLASSES,)})
    return shapes


def relative_position_index(grid):
    """Returns the row of the table for each pair of tokens, (N, N), where the patches are (grid, grid)."""
    rows, cols = np.divmod(np.arange(grid * grid), grid)
    span = 2 * grid - 1
    index = np.empty((grid * grid + 1, grid * grid + 1), dtype=np.int64)
    index[1:, 1:] = (rows[:, None] - rows + grid - 1) * span + cols[:, None] - cols + grid - 1
    index[0, :] = span * span  # from the class token, to it, and between itself
    index[:, 0] = span * span + 1
    index[0, 0] = span * span + 2
    return index


class Graph:
    """Collects nodes and constants; each call returns the name of its one output."""

    def __init__(self):
        self.nodes, self.constants = [], []

    def constant(self, name, values):
        from onnx import numpy_helper
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def __call__(self, operation, *inputs, outputs=1, **attributes):
        from onnx import helper
        stem = f"{operation}_{len(self.nodes)}"
        names = [stem] if outputs == 1 else [f"{stem}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(operation, list(inputs), names, stem, **attributes))
        return stem if outputs == 1 else names


def onnx_model(weights, size):
    """Builds timm's Beit.forward as an ONNX model, for any batch size: x (b, 3, size, size) -> logits (b, 1000)."""
    import onnx
    from onnx import helper

    tokens = (size // PATCH) ** 2 + 1
    graph = Graph()
    some = lambda name: graph.constant(name, weights[name])
    number = lambda name, *values: graph.constant(name, np.array(values, dtype=np.int64))
    scalar = lambda name, value: graph.constant(name, np.array(value, dtype=np.float32))
    root_2, one, half, scale = (scalar("root_2", 2**0.5), scalar("one", 1), scalar("half", 0.5),
                                scalar("scale", (DIM // HEADS) ** -0.5))
    heads_shape = number("heads_shape", 0, tokens, 3, HEADS, DIM // HEADS)
    tokens_shape = number("tokens_shape", 0, tokens, DIM)
    first = number("first", 0)
    index = relative_position_index(size // PATCH)

    def linear(x, name, bias=None):
        weight = graph.constant(name + ".weight", weights[name + ".weight"].T)
        return graph("Add", graph("MatMul", x, weight), bias or some(name + ".bias"))

    def norm(x, name):
        return graph("LayerNormalization", x, some(name + ".weight"), some(name + ".bias"), axis=-1, epsilon=1e-6)

    def attention(x, name):
        qkv_bias = np.concatenate([weights[name + ".q_bias"], np.zeros(DIM, np.float32), weights[name + ".v_bias"]])
        qkv = linear(x, name + ".qkv", graph.constant(name + ".qkv.bias", qkv_bias))
        qkv = graph("Transpose", graph("Reshape", qkv, heads_shape), perm=[2, 0, 3, 1, 4])
        q, k, v = (graph("Squeeze", part, first) for part in graph("Split", qkv, outputs=3, axis=0))
        table = weights[name + ".relative_position_bias_table"]
        bias = graph.constant(name + ".bias", table[index].transpose(2, 0, 1)[None])  # (1, A, N, N)
        scores = graph("MatMul", graph("Mul", q, scale), graph("Transpose", k, perm=[0, 1, 3, 2]))
        mixed = graph("MatMul", graph("Softmax", graph("Add", scores, bias), axis=-1), v)
        return linear(graph("Reshape", graph("Transpose", mixed, perm=[0, 2, 1, 3]), tokens_shape), name + ".proj")

    def mlp(x, name):
        x = linear(x, name + ".fc1")
        gelu = graph("Mul", graph("Mul", x, graph("Add", graph("Erf", graph("Div", x, root_2)), one)), half)
        return linear(gelu, name + ".fc2")

    patches = graph("Conv", "x", some("patch_embed.proj.weight"), some("patch_embed.proj.bias"),
                    kernel_shape=[PATCH, PATCH], strides=[PATCH, PATCH])
    patches = graph("Transpose", graph("Reshape", patches, number("patches_shape", 0, DIM, tokens - 1)), perm=[0, 2, 1])
    batch = graph("Gather", graph("Shape", "x"), first)
    cls_token = graph("Expand", some("cls_token"), graph("Concat", batch, number("one_token", 1, DIM), axis=0))
    x = graph("Concat", cls_token, patches, axis=1)
    for i in range(DEPTH):
        block = f"blocks.{i}."
        x = graph("Add", x, graph("Mul", some(block + "gamma_1"), attention(norm(x, block + "norm1"), block + "attn")))
        x = graph("Add", x, graph("Mul", some(block + "gamma_2"), mlp(norm(x, block + "norm2"), block + "mlp")))
    x = graph("Slice", x, number("from_patch", 1), number("to_patch", tokens), number("token_axis", 1))
    x = linear(norm(graph("ReduceMean", x, axes=[1], keepdims=0), "fc_norm"), "head")
    graph.nodes[-1].output[0] = "logits"

    floats = onnx.TensorProto.FLOAT
    model = helper.make_model(
        helper.make_graph(graph.nodes, NAME, [helper.make_tensor_value_info("x", floats, ["b", 3, size, size])],
                          [helper.make_tensor_value_info("logits", floats, ["b", CLASSES])], graph.constants),
        opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def pieces_in_double_precision(model):
    """Yields ONNX models in float64, each of which reads the output of the one before.

    Together they are `model`. One evaluation of all of it would keep every intermediate result, and the positions' biases
    of all blocks in double precision: over 24 GB at 640 pixels.
    """
    from onnx import TensorProto, helper, numpy_helper
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    nodes = list(model.graph.node)

    def doubled(name):
        values = numpy_helper.to_array(constants[name])
        return numpy_helper.from_array(values.astype(np.float64) if values.dtype == np.float32 else values, name)

    last_use = {name: i for i, node in enumerate(nodes) for name in node.input}
    begin, source, needed_until = 0, model.graph.input[0].name, last_use[model.graph.input[0].name]
    for i, node in enumerate(nodes):
        if needed_until <= i and len(node.output) == 1:  # no earlier result is used after this node
            used = {name for each in nodes[begin:i + 1] for name in each.input if name in constants}
            ends = [helper.make_tensor_value_info(name, TensorProto.DOUBLE, None) for name in (source, node.output[0])]
            graph = helper.make_graph(nodes[begin:i + 1], NAME, ends[:1], ends[1:], [doubled(name) for name in sorted(used)])
            yield helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
            begin, source = i + 1, node.output[0]
        needed_until = max([needed_until, *(last_use.get(name, i) for name in node.output)])


def make_files(folder, size, say=print):
    """Writes the files described above in `folder`, unless this version of the module has done so already."""
    folder.mkdir(parents=True, exist_ok=True)
    sources = [Path(__file__), Path(random_model.__file__)]
    version = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
    done = folder / "version.txt"
    if done.exists() and done.read_text() == version:
        return
    say(f"writing the model to {folder} (1.3 GB)")
    done.unlink(missing_ok=True)

    import ml_dtypes
    import onnx
    import openvino
    from onnx.reference import ReferenceEvaluator
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from safetensors.numpy import save_file

    weights = dict(random_model.random_parameters(parameter_shapes(size), seed=0))
    save_file(weights, folder / "beit_base.safetensors")
    save_file({name: values.astype(ml_dtypes.bfloat16) if values.ndim > 1 else values
               for name, values in weights.items()}, folder / "beit_base_bf16.safetensors")
    model = onnx_model(weights, size)
    onnx.save(model, folder / "beit_base.onnx")
    quantize_dynamic(folder / "beit_base.onnx", folder / "beit_base_int8.onnx", weight_type=QuantType.QInt8,
                     per_channel=True)
    openvino.save_model(openvino.convert_model(folder / "beit_base.onnx"), folder / "beit_base.xml",
                        compress_to_fp16=False)

    images = np.random.default_rng(1).uniform(-1, 1, (batches(size)[-1], 3 * size * size)).astype(np.float32)
    np.save(folder / "images.npy", images)
    say("computing the logits in double precision")
    values = images.astype(np.float64).reshape(-1, 3, size, size)
    for piece in pieces_in_double_precision(model):
        values, = ReferenceEvaluator(piece).run(None, {piece.graph.input[0].name: values})
    np.save(folder / "logits.npy", values)

    part = done.with_suffix(".part")
    part.write_text(version)
    os.replace(part, done)
