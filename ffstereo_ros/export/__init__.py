"""From weights to a TensorRT engine that is proven before it is used: slow, explicit steps."""
