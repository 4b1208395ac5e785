# The causes of the layer tcp.
