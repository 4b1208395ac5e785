# The causes of the layer server.
