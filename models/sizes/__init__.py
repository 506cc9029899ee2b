"""The settings of networks, which import no torch: `models.networks` registers them, `models.modules` are made by them."""
