"""Passes connections on: relay.py LISTEN=TARGET ..., each host:port or the path of a socket."""

import asyncio
import sys


async def copy(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def connect(address):
    if address.startswith("/"):
        return await asyncio.open_unix_connection(address)
    host, port = address.rsplit(":", 1)
    return await asyncio.open_connection(host, int(port))


async def serve(listen, target):
    """Passes on whatever connects at `listen` to `target`: host:port or the path of a socket."""
    async def pass_on(reader, writer):
        try:
            far_reader, far_writer = await connect(target)
        except OSError:
            writer.close()
            return
        await asyncio.gather(copy(reader, far_writer), copy(far_reader, writer))

    if listen.startswith("/"):
        return await asyncio.start_unix_server(pass_on, listen)
    host, port = listen.rsplit(":", 1)
    return await asyncio.start_server(pass_on, host, int(port))


async def serve_all(pairs):
    servers = [await serve(*pair.split("=")) for pair in pairs]
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    asyncio.run(serve_all(sys.argv[1:]))
