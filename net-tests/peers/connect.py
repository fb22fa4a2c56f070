"""One connection by asyncio: HOST PORT ADDRESSES SECONDS."""
import asyncio
import socket
import sys
import time

host, port, addresses, limit = sys.argv[1], int(sys.argv[2]), sys.argv[3], float(sys.argv[4])


def info(address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port)


async def fixed(*_, **__):
    return [info(address) for address in addresses.split(",")]


async def connect():
    loop = asyncio.get_running_loop()
    if addresses:
        loop.getaddrinfo = fixed
    start = time.perf_counter()
    address, error = "", ""
    try:
        connecting = loop.create_connection(asyncio.Protocol, host, port, happy_eyeballs_delay=0.25)
        transport, _ = await asyncio.wait_for(connecting, limit)
        address = transport.get_extra_info("peername")[0]
    except (OSError, asyncio.TimeoutError) as failure:
        error = str(failure).replace("\n", " ").replace("\t", " ")
    seconds = time.perf_counter() - start
    print(address, f"{seconds:.6f}", f"{seconds:.6f}", error, sep="\t")


asyncio.run(connect())
