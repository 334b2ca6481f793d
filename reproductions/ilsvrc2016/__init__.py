"""The ensembles of ILSVRC 2016: their rules, specs and submission file."""
