"""The Fréchet distance of samples from real ones, in an extractor's features: what guidance may be chosen by, too."""
