# The causes of the layer dns.
