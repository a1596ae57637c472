"""Keys and words of `params.yaml` that are renamed or gone, and the upgrade of a text that has them."""

from collections.abc import Iterator, Mapping, Sequence

import yaml

_TRAINING = {
    "batch_texts": "batch_size",
    "peak_rate": "learning_rate",
    "warmup_share": "warmup_ratio",
    "clip": "max_grad_norm",
    "checkpoint_every": "save_every",
}
# Of each section the old keys and their new names; entries of a list share one section.
RENAMED_KEYS: Mapping[str, Mapping[str, str]] = {
    "collect.sources": {"beside": "join", "renames": "label_map"},
    "encoder": {"minilm": "package"},
    "pretrain": {**_TRAINING, "mask_share": "mlm_probability", "held_out_texts": "eval_texts"},
    "finetune": {**_TRAINING, "judge_every": "eval_every"},
    "compress": {"timed_texts": "benchmark_texts"},
    "compress.recovery": {**_TRAINING, "truth_share": "label_weight"},
    "compress.budget": {"max_f1_fall": "max_f1_drop", "max_slice_fall": "max_slice_drop"},
    "evaluate": {"vader_cuts": "vader_thresholds"},
    "evaluate.tfidf": {"inverse_strength": "regularization_c"},
    "gate": {"max_attack_fall": "max_attack_drop"},
    "serve": {
        "batch_texts": "max_batch_size",
        "batch_wait_ms": "max_batch_wait_ms",
        "max_waiting_texts": "max_queued_texts",
    },
    "watch": {"events": "change_points"},
    "watch.quality": {"baking_hours": "rollback_hours"},
}
# Of each key the old words and their new ones.
RENAMED_VALUES: Mapping[str, Mapping[str, str]] = {"encoder.start": {"minilm": "package"}}
# Keys of `collect` that are sources now.
SOURCE_KEYS = {"feedback_texts": "feedback", "replay_texts": "replay"}
# Keys that nothing reads any more, and why.
GONE_KEYS: Mapping[str, str] = {
    "compress.budget.equal_speed": "the smallest variant within the budget is served, whatever its speed",
}

Edit = tuple[int, int, str]


def renamed_sentence(path: Sequence[str | int]) -> str | None:
    """Return the sentence that names the new key of an old one, None when `path` is not an old one."""
    *section, key = path
    names = [str(part) for part in path]
    if (new := renamed_key(path)) is not None:
        return f"{'.'.join(names)} is now {'.'.join([*names[:-1], new])}. Rename it."
    if section == ["collect"] and key in SOURCE_KEYS:
        kind = SOURCE_KEYS[str(key)]
        entry = f"{{kind: {kind}, name: {kind}, max_texts: …}}"
        return f"{'.'.join(names)} is now a source. Remove it, and list `- {entry}` under collect.sources."
    if (why := GONE_KEYS.get(_section(path))) is not None:
        return f"{'.'.join(names)} is gone: {why}. Remove it."
    return None


def renamed_sentences(content: object, path: tuple[str | int, ...] = ()) -> Iterator[str]:
    """Yield a sentence for each key or word that is renamed or gone in the content of a `params.yaml`."""
    if isinstance(content, Mapping):
        for key, value in content.items():
            if (sentence := renamed_sentence((*path, key))) is not None:
                yield sentence
            if (new := renamed_value((*path, key), value)) is not None:
                yield f"{'.'.join(map(str, (*path, key)))}: {value} is now {new}. Write `{key}: {new}`."
            yield from renamed_sentences(value, (*path, key))
    elif isinstance(content, list):
        for place, item in enumerate(content):
            yield from renamed_sentences(item, (*path, place))


def renamed_key(path: Sequence[str | int]) -> str | None:
    """Return the new name of the last key of a path, None when it is not an old one."""
    *section, key = path
    return RENAMED_KEYS.get(_section(section), {}).get(str(key))


def renamed_value(path: Sequence[str | int], value: object) -> str | None:
    """Return the new word for the value of a key, None when it is not an old one."""
    return RENAMED_VALUES.get(_section(path), {}).get(value) if isinstance(value, str) else None


def upgrade_params_text(text: str) -> str:
    """Return the text of a `params.yaml` with old keys renamed or removed; comments, layout and values stay.

    A text without old keys is returned as it is.
    """
    # Where PyYAML was built with libyaml, its C parser reads params.yaml ten times as fast.
    content = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    if next(renamed_sentences(content), None) is None:
        return text
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    edits = set(_edits(root, (), text)) if isinstance(root, yaml.MappingNode) else set()
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _section(path: Sequence[str | int]) -> str:
    return ".".join(part for part in path if isinstance(part, str))


def _edits(node: yaml.Node, path: tuple[str, ...], text: str) -> Iterator[Edit]:
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _edits(item, path, text)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if (new := renamed_key((*path, key.value))) is not None:
                yield key.start_mark.index, key.end_mark.index, new
            if (word := renamed_value((*path, key.value), value.value)) is not None:
                yield value.start_mark.index, value.end_mark.index, word
            yield from _edits(value, (*path, key.value), text)
        yield from _gone_edits(node, path, text)
        if path == ("collect",):
            yield from _source_edits(node, text)


def _gone_edits(section: yaml.MappingNode, path: tuple[str, ...], text: str) -> Iterator[Edit]:
    for place, (key, value) in enumerate(section.value):
        if ".".join((*path, key.value)) in GONE_KEYS:
            yield _removal(section, place, key, value, text)


def _removal(section: yaml.MappingNode, place: int, key: yaml.Node, value: yaml.Node, text: str) -> Edit:
    pairs = section.value
    if not section.flow_style:
        return text.rfind("\n", 0, key.start_mark.index) + 1, _next_line(text, value.end_mark.index), ""
    if place + 1 < len(pairs):
        return key.start_mark.index, pairs[place + 1][0].start_mark.index, ""
    return pairs[place - 1][1].end_mark.index, value.end_mark.index, ""


def _source_edits(collect: yaml.MappingNode, text: str) -> Iterator[Edit]:
    """Remove the old keys of feedback and replay, and append a source for each that is not 0."""
    pairs = collect.value
    entries = []
    for place, (key, value) in enumerate(pairs):
        if key.value not in SOURCE_KEYS:
            continue
        kind = SOURCE_KEYS[key.value]
        if int(value.value):
            entries.append(f"{{kind: {kind}, name: {kind}, max_texts: {value.value}}}")
        yield _removal(collect, place, key, value, text)
    sources = next(value for key, value in pairs if key.value == "sources")
    if entries and sources.flow_style:
        place = sources.end_mark.index - 1
        yield place, place, "".join(f", {entry}" for entry in entries)
    elif entries:
        place, margin = _next_line(text, _content_end(sources)), " " * sources.start_mark.column
        line_break = "" if text[:place].endswith("\n") else "\n"
        yield place, place, line_break + "".join(f"{margin}- {entry}\n" for entry in entries)


def _content_end(node: yaml.Node) -> int:
    """Return where the last value of a node ends; the end mark of a block lies after later comments."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _content_end(last[1] if isinstance(last, tuple) else last)
    return int(node.end_mark.index)


def _next_line(text: str, index: int) -> int:
    if text[:index].endswith("\n"):
        return index
    end = text.find("\n", index)
    return len(text) if end < 0 else end + 1
