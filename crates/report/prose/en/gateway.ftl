# The causes of the layer gateway.
