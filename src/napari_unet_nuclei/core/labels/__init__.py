"""Label images: encode them as training targets, decode them from maps, edit, compare and measure them."""
