"""Methods of fine-tuning by name, and objectives that train by one."""

from dataclasses import replace

from pipeline.io.params_file import load_params


def method(root, name="full", **changes):
    """Return the section `finetune` of params.yaml with a method; `lora` adds to the keys of that name."""
    section = load_params(root / "params.yaml").finetune
    values = section.model_dump()
    for key in ("lora", "perturbation"):
        values[key] |= changes.pop(key, {})
    return type(section).model_validate({**values, "method": name, **changes})


def adapted(objective, cfg, **changes):
    """Return an objective that trains by a method."""
    return replace(objective, start=replace(objective.start, method=cfg, **changes))
