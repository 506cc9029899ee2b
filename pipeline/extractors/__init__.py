"""Extractors, one file a kind. `evaluation.extractor` of params.yaml names one.

Adding one: a file here (or an extension) with its settings, and a registered subclass of
`pipeline.distance.extractor.Extractor`.
"""
