# The causes of the layer net.

net-link-down = No network interface is up
    .means = This machine has no network at the moment: no interface besides the loopback is connected, so nothing leaves it.
        Every program on it is concerned, not only calls to the API. Key, proxy and settings of the client have no part in it.
    .fix-1 = Plug the cable in, or switch Wi-Fi on and flight mode off.
    .run-2 = ip -br link
    .why-2 = Lists the interfaces; one besides lo has to be UP.
    .fix-3 = Attach the container or virtual machine to a network, if the program runs in one; --network none gives a container none.

net-no-route = This machine has no route to the Internet
    .means = An interface is up, but the routing table has no default route, so the system refuses every packet at once with
        "Network is unreachable". Nothing leaves this machine. Mostly the address and the gateway never came by DHCP,
        or a VPN took the route along when it ended.
    .fix-1 = Disconnect from the network and connect again, so that it hands out address and gateway anew; end a VPN that is half open.
    .run-2 = ip route show default
    .why-2 = Shows the default route; no output is the fault.
    .fix-3 = Enter the gateway in the network's settings, if the address is set by hand.
    .fix-4 = Attach the container to a network that leads out, if the program runs in one; a Docker network with internal: true has no route.

net-gateway-unreachable = The default gateway does not answer
    .title = The default gateway { $addr } does not answer
    .means = This machine knows its gateway, and nothing answers at that address in the local network, so no packet gets beyond it.
        The router is off or hangs, the address is wrong, or cable and Wi-Fi lead into another network. All destinations fail alike.
    .fix-1 = Restart the router or access point, or connect to the network again.
    .run-2 = ip neigh show
    .why-2 = Shows the neighbours in the local network; FAILED or INCOMPLETE beside the gateway is the proof.
    .fix-3 = Correct the gateway's address in the network's settings, if it is set by hand.
    .fix-4 = Report to the network's administrator that the gateway does not answer, with its address and the time.

net-egress-blocked = Nothing beyond the gateway can be reached
    .means = The gateway answers, and no destination behind it does, on no port. Either the line to the provider is down,
        or a firewall lets nothing out of this network. It is not about the API: other hosts are out of reach as well.
    .fix-1 = Restart the router or modem if it is yours, and ask the provider about an outage.
    .run-2 = curl -sSI -m 10 --noproxy '*' https://www.example.com/
    .why-2 = Tries another host; the same timeout shows that it is not about the API.
    .fix-3 = Set HTTPS_PROXY to the network's proxy, if traffic may leave only through it.
    .fix-4 = Ask the network's administrator to let this machine or its subnet out, if it is a server or a container network.
