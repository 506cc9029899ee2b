"""Metrics, one file a kind. All of them are usual; `evaluation.metrics` of params.yaml names others, such as the user's own.

Adding one: a file here (or an extension) with a function of (`pipeline.judging.judged.Judged`, settings) that gives numbers by
their names, registered; nothing where it does not apply.
"""
