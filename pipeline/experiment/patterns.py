"""What texts in params.yaml and studies look like."""

NAME = r"^[a-z0-9][a-z0-9-]*$"
DEVICE = r"^(auto|cpu|cuda(:(0|[1-9]\d?))?)$"
ADDRESS = r"^(auto|local|[^\s:/]+:\d{1,5})$"
DIGEST = r"^[0-9a-f]{64}$"
PRESET = r"^([a-z0-9][a-z0-9-]*|.+\.yaml)$"
