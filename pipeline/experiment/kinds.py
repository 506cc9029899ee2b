"""Everything that params.yaml, or a study's file, may name by its kind: a registry for each.

An extension imports them from here, with `Section` and the types of numbers for its settings.
"""

from typing import Any

from models.registry import MOST, NETWORKS, SAMPLERS, Count, Factor, Finite, Plenty, Positive, Registry, Scale, Section

__all__ = ["MOST", "NETWORKS", "SAMPLERS", "Count", "Factor", "Finite", "Plenty", "Positive", "Registry", "Scale", "Section"]

DATASETS: Registry[Any] = Registry("data sets", "data.kind", "pipeline.datasets")
"""Functions of (settings, held out) that give `pipeline.data.source.Points` or `Images`."""
EXTRACTORS: Registry[Any] = Registry("extractors", "evaluation.extractor", "pipeline.extractors")
"""Classes like `pipeline.distance.extractor.Extractor`."""
METRICS: Registry[Any] = Registry("metrics", "evaluation.metrics", "pipeline.metrics")
"""Functions of `pipeline.judging.judged.Judged` and settings that give numbers by their names."""
LOOPS: Registry[Any] = Registry("loops", "arms.NAME.loop", "pipeline.generation.loops")
"""`pipeline.generation.loops.Loop`: how a training set is made."""
STRATEGIES: Registry[Any] = Registry("strategies", "arms.NAME.strategy", "pipeline.generation.strategies")
"""`pipeline.generation.strategies.Strategy`: the steps of a generation."""
STEPS: Registry[Any] = Registry("steps", "a strategy's steps", "pipeline.generation.steps")
"""Functions of a `pipeline.generation.job.Job`."""
HOOKS: Registry[Any] = Registry("hooks", "arms.NAME.hook.name", "pipeline.generation.hooks")
"""Functions of (candidates, `pipeline.generation.hooks.Context`) that give samples."""
STUDIES: Registry[Any] = Registry("study kinds", "kind in studies/NAME/params.yaml", "pipeline.studies.kinds")
"""`pipeline.studies.kind.Kind`: how a study's points are made and shown."""
REGISTRIES = (DATASETS, NETWORKS, SAMPLERS, EXTRACTORS, METRICS, LOOPS, STRATEGIES, STEPS, HOOKS, STUDIES)


def check_known(key: str, name: str, registry: Registry[Any]) -> None:
    """Raise ValueError, which says what is allowed, for a name that is not in the registry."""
    if name not in registry:
        raise ValueError(f"{key} must be one of {', '.join(registry)}, got {name!r}")
