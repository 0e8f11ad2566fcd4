"""Label images: made into training targets, made from network output, compared and measured."""
