"""Data sets, one file a kind. `data.kind` of params.yaml names one.

Adding one: a file here (or an extension) with its settings, and a function of (settings, held out) that gives
`pipeline.data.truth.Points` or `pipeline.data.finite.Finite`, registered.
"""
