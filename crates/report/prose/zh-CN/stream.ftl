# The causes of the layer stream.
