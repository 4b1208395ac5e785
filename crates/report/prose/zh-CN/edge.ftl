# The causes of the layer edge.
