"""The measures of a few records that are in memory, as validation takes them of a table."""

from collections.abc import Sequence

from pipeline.base.records import TextRecord
from pipeline.core.clean.language import classify_languages
from pipeline.core.validate.measured_texts import (
    MEASURED,
    GatheredMeasures,
    MeasuredTexts,
    drawn_rows,
    measure_rows,
)


def measured(records: Sequence[TextRecord], *, sample_texts: int = 1000) -> MeasuredTexts:
    """Measure records, and detect the languages of a sample of them."""
    gathered = GatheredMeasures()
    gathered.add(measure_rows({name: [getattr(one, name) for one in records] for name in MEASURED}))
    measures = gathered.measures()
    sample = {row: records[row] for row in drawn_rows(measures.ids_N, sample_texts)}
    languages = classify_languages([one.text for one in sample.values()])
    return MeasuredTexts(
        measures, sample, dict(zip(sample, languages, strict=True)), lambda row: records[row].id
    )
