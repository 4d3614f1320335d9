"""Measures all sections one after the other; what fails leaves the others."""

import platform
import time
from collections.abc import Callable, Iterable, Sequence

import torch

from errseg.device import memory_is_full, says_memory_is_full
from errseg.errors import InputError
from errseg.measuring.latency.networks import Networks
from errseg.measuring.latency.plan import Measured, Plan, Row
from errseg.measuring.latency.sections import Section, sections

SECONDS = 60  # in a minute
SAID = 160  # characters of an error that nobody foresaw


def measure_everything(
    plan: Plan,
    device: torch.device,
    more: Iterable[Section] = (),
    progress: Callable[[str], None] = lambda line: None,
) -> Measured:
    """Measure a plan's sections on a device, and others.

    Args:
        plan: what is measured.
        device: where.
        more: other sections.
        progress: takes a line at the start of every section.
    """
    networks, started = Networks(device), time.perf_counter()
    rows, notes, failed, seconds = [], [], {}, {}
    for section in sections(plan, networks, more):
        begun = time.perf_counter()
        if begun - started > plan.minutes * SECONDS:
            failed[section.name] = f"It was not begun: {plan.minutes:g} minutes were over."
            continue
        progress(f"{section.name} ...")
        found, reason = _attempt(section, device)
        if reason:
            failed[section.name] = reason
            networks.forget()
        elif isinstance(found, Row):
            rows.append(found)
        else:
            notes += found
        seconds[section.name] = time.perf_counter() - begun
    return Measured(machine_of(device), plan, tuple(rows), tuple(notes), failed, seconds)


def _attempt(section: Section, device: torch.device) -> tuple[Row | Sequence[str], str]:
    """Measure a section; return what it gives, or why it gives nothing, in a sentence."""
    try:
        with torch.inference_mode(not section.learns):
            return section.measure(), ""
    except InputError as error:
        return (), str(error)
    except Exception as error:  # whatever one section meets, the others are measured
        if not says_memory_is_full(error):
            first = (str(error).splitlines() or [""])[0]
            return (), f"{type(error).__name__}: {first:.{SAID}}"
    return (), str(memory_is_full(device))


def machine_of(device: torch.device) -> dict[str, str | int]:
    """Say what a device is, and what drives it."""
    machine: dict[str, str | int] = {
        "device": str(device),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
    }
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        machine |= {
            "gpu": properties.name,
            "compute capability": f"{properties.major}.{properties.minor}",
            "memory": properties.total_memory,
            "cuda": str(torch.version.cuda),
        }
    return machine
