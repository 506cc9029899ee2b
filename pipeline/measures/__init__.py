"""How far samples are from real data: metrics, what judges images, intervals, and what theory predicts."""
