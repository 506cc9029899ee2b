"""The parts that U-Nets are built of, with the parameters of the published checkpoints."""
