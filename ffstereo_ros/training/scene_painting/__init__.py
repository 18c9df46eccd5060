"""Scene painting: both views of many generated scenes in one launch, each pixel through all layers of its scene."""
