"""Runs aiosmtpd on a free port of the loopback interface. Requires TLS, a user and a password.

Arguments: certificate, key, and `starttls` or `implicit`. Prints the port on the first line, then
each mail as a line of JSON.
"""

import asyncio
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


class Sink:
    async def handle_DATA(self, server, session, envelope):
        mail = {
            "tls": session.ssl is not None or server.transport.get_extra_info("ssl_object") is not None,
            "user": session.auth_data and session.auth_data.login.decode(),
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "raw": envelope.content.decode(),
        }
        print(json.dumps(mail), flush=True)
        return "250 2.0.0 taken"


def authenticate(server, session, envelope, mechanism, given):
    known = given == LoginPassword(b"lookout", b"s3cret p@ss")
    return AuthResult(success=known, handled=False, auth_data=given)


async def main():
    certificate, key, mode = sys.argv[1:]
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    starttls = mode == "starttls"

    def session():
        return SMTP(
            Sink(),
            hostname="localhost",
            tls_context=tls if starttls else None,
            require_starttls=starttls,
            auth_required=True,
            auth_require_tls=starttls,
            authenticator=authenticate,
        )

    loop = asyncio.get_running_loop()
    server = await loop.create_server(session, "127.0.0.1", 0, ssl=None if starttls else tls)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
