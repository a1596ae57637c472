"""Sources that are read from the web: JSON pages, feeds, and data sets of the Hugging Face hub."""

import re
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import Field, StringConstraints, field_validator, model_validator

from pipeline.base.config.section import Commit, PositiveInt
from pipeline.base.config.table_section import Columns, MaxMegabytes, RatingRule, TableSection, VariableName
from pipeline.base.secrets import SECRET_NAMES

HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]+$")]
# They decide what is read, and are not ours to send.
FIXED_HEADERS = {
    "host",
    "accept-encoding",
    "content-length",
    "if-none-match",
    "if-modified-since",
    "connection",
}
FEED_COLUMNS = {"text": "text", "label": "label", "id": "id", "time": "time", "topic": "topic"}


class WebSection(TableSection):
    """Set how an address is asked.

    `headers` maps the name of a header to the environment variable that holds its value: credentials are not
    written in params.yaml, and go to the host of `url` alone. Private and loopback addresses are refused
    unless `allow_private`. Reading ends after `max_seconds`.
    """

    url: str
    headers: dict[HeaderName, VariableName] = Field(default_factory=dict)
    allow_private: bool = False
    max_seconds: PositiveInt = 600

    @field_validator("url")
    @classmethod
    def _is_an_address_without_secrets(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            usable = False
        if not usable or re.search(r"[\s\x00-\x1f]", url):
            raise ValueError("url is no address. Write it as https://host/path")
        names = [name for name, _ in parse_qsl(parts.query) if SECRET_NAMES.search(name)]
        if "@" in parts.netloc or names:
            raise ValueError(
                "url holds credentials. Take them out, put them in an environment variable, and name it: "
                "`headers: {Authorization: NAME}`"
            )
        return url

    @field_validator("headers")
    @classmethod
    def _are_ours_to_send(cls, headers: dict[str, str]) -> dict[str, str]:
        if fixed := [name for name in headers if name.lower() in FIXED_HEADERS]:
            raise ValueError(f"headers cannot set {fixed[0]}. Remove it")
        return headers


class HttpSource(WebSection):
    """Read the objects of JSON pages.

    `rows` is the key, as `data.items`, of the list of objects; null means that the page is that list. At most
    one key leads to further pages: `next_key` holds their address, `next_parameter` counts them in the
    address from `first_page` up to an empty one, `next_link: true` follows the Link header. `watermark` names
    a column of times or numbers that grow with each new row: rows whose time is still to come are left for a
    later run.
    """

    kind: Literal["http"]
    rows: str | None = Field(default=None, min_length=1)
    next_key: str | None = Field(default=None, min_length=1)
    next_parameter: str | None = Field(default=None, min_length=1)
    next_link: bool = False
    first_page: int = Field(default=1, ge=0)
    max_pages: PositiveInt = 1000
    watermark: str | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _one_way_to_the_next_page(self) -> "HttpSource":
        if sum((self.next_key is not None, self.next_parameter is not None, self.next_link)) > 1:
            raise ValueError(
                f"source {self.name}: write one of `next_key`, `next_parameter` and `next_link`: each names "
                "the next page in its own way"
            )
        return self


class FeedSource(WebSection):
    """Read the entries of an RSS or Atom feed, and keep each of them when the feed no longer lists it.

    A column is a field of an entry as feedparser names it, or `text` (title with content or summary), `id`,
    `time`, `topic` (its first tag, else `topic`) and `language`. A feed has no labels, so one key says where
    they come from: `label` is that of every entry, `labels_path` a table with the columns `id` and `label`
    (other entries wait), `columns.label` or `columns.rating` a field of the entries.
    """

    kind: Literal["feed"]
    columns: Columns
    group_pattern: str | None = None
    ratings: RatingRule | None = None
    label_map: dict[str, str] = Field(default_factory=dict)
    label: str | None = Field(default=None, min_length=1)
    labels_path: str | None = Field(default=None, min_length=1)
    topic: str = ""
    max_megabytes: MaxMegabytes = 20

    @model_validator(mode="before")
    @classmethod
    def _usual_columns(cls, content: Any) -> Any:
        if not isinstance(content, dict) or not isinstance(content.get("columns") or {}, dict):
            return content
        written = content.get("columns") or {}
        usual = dict.fromkeys(("rating", "group", "split")) | FEED_COLUMNS
        if written.get("rating") or written.get("labels"):
            usual |= {"label": None}
        return content | {"columns": usual | written}

    @model_validator(mode="after")
    def _one_home_for_the_label(self) -> "FeedSource":
        own = self.columns.label == FEED_COLUMNS["label"]
        homes = (self.label is not None, self.labels_path is not None, not own)
        if sum(homes) != 1 or self.columns.labels is not None:
            raise ValueError(
                f"source {self.name}: a feed has no labels. Write one of `label: neutral` (of every entry), "
                "`labels_path: labels.csv` (a table with the columns id and label), and "
                "`columns: {rating: FIELD}` or `columns: {label: FIELD}` (a field of the entries)"
            )
        return self


class HubSource(TableSection):
    """Read splits of a data set of the Hugging Face hub, pinned to a commit; no code of it is run.

    Only Parquet, CSV and JSON files are read, as they stream in. `config` names one of several
    configurations. HF_ENDPOINT names another hub, HF_TOKEN holds the key to what is private.
    """

    kind: Literal["hub"]
    dataset: Annotated[str, StringConstraints(pattern=r"^[\w.-]+/[\w.-]+$")]
    config: str | None = Field(default=None, min_length=1)
    splits: tuple[Annotated[str, StringConstraints(pattern=r"^\w+(\.\w+)*$")], ...] = Field(min_length=1)
    revision: Commit
