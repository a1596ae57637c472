"""From a trained classifier to ONNX, with nothing in it of the machine that made it."""

import warnings
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from onnx import ModelProto


def export(model: nn.Module) -> bytes:
    """Export a classifier to ONNX: inputs `tokens` and `mask` (texts x tokens, int64), output `logits` (texts x labels)."""
    example: tuple[Tensor, Tensor] = (torch.ones(2, 7, dtype=torch.long), torch.ones(2, 7, dtype=torch.long))
    sizes = {0: torch.export.Dim("texts", min=1, max=4096), 1: torch.export.Dim("width", min=2, max=512)}
    model.eval()
    with warnings.catch_warnings(), torch.no_grad():
        # torch's exporter warns of its own future; nothing a reader of our log could do.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            model,
            example,
            dynamo=True,
            input_names=["tokens", "mask"],
            output_names=["logits"],
            dynamic_shapes={"tokens_BT": sizes, "mask_BT": sizes},
            verbose=False,
        )
    assert program is not None
    content: bytes = strip(program.model_proto).SerializeToString()
    return content


def strip(model: "ModelProto") -> "ModelProto":
    """Remove stack traces, local paths and stored shapes, which the exporter leaves in every node.

    Stored shapes go too: with them `quantize_dynamic` fails on a BERT (onnxruntime 1.23 to 1.31).
    """
    del model.graph.value_info[:]
    del model.metadata_props[:]
    del model.graph.metadata_props[:]
    model.doc_string = model.graph.doc_string = ""
    for thing in (*model.graph.node, *model.graph.input, *model.graph.output, *model.graph.initializer):
        del thing.metadata_props[:]
        thing.doc_string = ""
    return model
