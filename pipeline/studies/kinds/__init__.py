"""Kinds of studies, one file each: `kind` in studies/NAME/params.yaml names one.

Adding one: a file here (or an extension) that registers a `pipeline.studies.kind.Kind`.
"""
