"""A web server that says hello: the smallest thing that a workspace can show on a port of its
own."""

import os

from bottle import request, route, run


@route("/")
def hello() -> str:
    return f"<h1>Hello from your workspace</h1><p>You asked {request.urlparts.netloc}.</p>\n"


if __name__ == "__main__":
    # Every address: a workspace's ports are opened from outside its containers.
    run(host="0.0.0.0", port=int(os.environ.get("PORT", "8080")))
