"""What a model's page on the Hub says: its metadata, and a text around it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from errseg.config import ARXIV, PAPER, ClipConfig, ModelConfig
from errseg.errors import InputError

if TYPE_CHECKING:  # takes a fifth of a second
    from huggingface_hub import EvalResult, ModelCard

LIBRARY = "errseg"
PIPELINE = "image-segmentation"
TAGS = ("open-vocabulary", "semantic-segmentation", "pytorch")
UNKNOWN_LICENCE = "other"  # the Hub's name where it has to be read about
LITE_BASE = ("timm/tf_efficientnet_lite2.in1k", "sentence-transformers/all-MiniLM-L6-v2")
METRICS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "miou": ("mean_iou", "mIoU"),
        "frequency_weighted_iou": ("frequency_weighted_iou", "frequency-weighted IoU"),
        "mean_class_accuracy": ("mean_accuracy", "mean class accuracy"),
        "pixel_accuracy": ("overall_accuracy", "pixel accuracy"),
    }
)
"""Field of `evaluate`'s scores -> the Hub's name of the metric, and ours."""
TEXT = """
# {title}

`{name}`, a model of [ERR-Seg]({paper}), efficient redundancy-reduced open-vocabulary semantic \
segmentation: a photo and any words in, one of the words for every pixel out.

```python
import errseg

predictor = errseg.Predictor(errseg.load_model("hf://{repository}"))
result = predictor("photo.jpg", classes="dog, sofa | couch, sky")
```

`model.safetensors` holds the weights, their configuration and a checksum. `config.json` is a copy \
of the configuration to read.

## Evaluation

{evaluation}

## Terms

{terms}
"""
NOT_MEASURED = "Not measured yet: `python -m errseg evaluate --json scores.json` does it."
TERMS = (
    "The weights are under the licence named above. Those that they started from ({base}) and the "
    "photos that they were trained on have their own."
)


def model_card(
    config: ModelConfig,
    repository: str,
    came_from: str = "",
    scores: Path | str | None = None,
    license: str | None = None,
) -> ModelCard:
    """Make the card of a model.

    Args:
        config: the model's.
        repository: where it will lie, ``owner/name``; empty where that isn't known.
        came_from: the repository whose weights it began with; empty for those of its towers.
        scores: the file that ``python -m errseg evaluate --json`` wrote of it.
        license: the Hub's short name of its licence; "other" where none is given.

    Raises:
        InputError: the scores can't be read.
    """
    from huggingface_hub import ModelCard, ModelCardData

    base = [came_from] if came_from else list(_base_models(config))
    measured = _read_scores(scores) if scores is not None else []
    licence = license or UNKNOWN_LICENCE
    named = {"license_name": "see-terms"} if licence == UNKNOWN_LICENCE else {}
    data = ModelCardData(
        model_name=repository.partition("/")[2] or config.name,
        library_name=LIBRARY,
        pipeline_tag=PIPELINE,
        base_model=base,
        license=licence,
        **named,
        language="en",
        tags=[*TAGS, f"arxiv:{ARXIV}"],
        eval_results=[result for one in measured for result in _results(one)] or None,
    )
    text = TEXT.format(
        title=repository.partition("/")[2] or config.name,
        name=config.name,
        paper=PAPER,
        repository=repository or "OWNER/NAME",
        evaluation=_table(measured) if measured else NOT_MEASURED,
        terms=TERMS.format(base=", ".join(base)),
    )
    return ModelCard(f"---\n{data.to_yaml()}\n---\n{text}")


def _base_models(config: ModelConfig) -> tuple[str, ...]:
    """Name the repositories of what a model's towers began with."""
    if not isinstance(config.towers, ClipConfig):
        return LITE_BASE
    import open_clip  # takes a second

    known = open_clip.get_pretrained_cfg(config.towers.open_clip_name, config.clip_weights)
    return (known["hf_hub"].strip("/"),) if known.get("hf_hub") else ()


def _read_scores(file: Path | str) -> list[dict]:
    """Read what `errseg.measuring.evaluation_report.as_dict` wrote."""
    try:
        scores = json.loads(Path(file).read_text(encoding="utf-8"))
        for one in scores:
            _results(one)
    except OSError as error:
        raise InputError(f"{file} can't be read ({error.strerror}).") from None
    except (ValueError, LookupError, TypeError, AttributeError):
        raise InputError(
            f"{file} holds no scores; give what python -m errseg evaluate --json wrote."
        ) from None
    return scores


def _results(scores: dict) -> list[EvalResult]:
    from huggingface_hub import EvalResult

    return [
        EvalResult(
            task_type=PIPELINE,
            dataset_type=scores["name"],
            dataset_name=scores["name"],
            metric_type=metric,
            metric_name=f"{title}, {scores['photos']} photos, P = {scores['kept_classes']}",
            metric_value=round(scores["crm"][field], 4),
        )
        for field, (metric, title) in METRICS.items()
        if scores["crm"][field] is not None
    ]


def _table(measured: list[dict]) -> str:
    titles = [title for _, title in METRICS.values()]
    rows = [["set", "photos", "classes", "P", *titles]]
    for one in measured:
        shares = [one["crm"][field] for field in METRICS]
        cells = [one[name] for name in ("name", "photos", "classes", "kept_classes")]
        rows.append([*cells, *("-" if s is None else f"{s:.1%}" for s in shares)])
    lines = [f"| {' | '.join(map(str, row))} |" for row in rows]
    return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]])
