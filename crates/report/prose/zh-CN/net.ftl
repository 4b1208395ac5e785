# The causes of the layer net.
