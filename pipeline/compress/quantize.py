"""Dynamic int8: weights as int8, activations quantised as they come (Zafrir et al., 2019, Q8BERT; here without training)."""

import logging
import tempfile
from pathlib import Path


def quantize(model: bytes) -> bytes:
    """Give the int8 twin of an ONNX model."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    # It advises a preprocessing step through the root logger, which a stripped model does not need.
    logging.getLogger().addFilter(_is_not_advice)
    try:
        with tempfile.TemporaryDirectory(prefix="tonewatch-int8-") as folder:
            target = Path(folder) / "model.onnx"
            quantize_dynamic(onnx.load_model_from_string(model), target, weight_type=QuantType.QInt8, per_channel=True)
            return target.read_bytes()
    finally:
        logging.getLogger().removeFilter(_is_not_advice)


def _is_not_advice(record: logging.LogRecord) -> bool:
    return "pre-processing" not in record.getMessage()
