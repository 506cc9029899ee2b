"""Numbers as the pages print them."""

import pandas as pd


def figure_text(value: object) -> str:
    """A number to three significant figures, or to the last whole one up to 100,000; blank where there is none."""
    if not isinstance(value, int | float) or pd.isna(value):
        return ""
    return f"{value:.0f}" if 999.5 <= abs(value) < 1e5 else f"{value:.3g}"
