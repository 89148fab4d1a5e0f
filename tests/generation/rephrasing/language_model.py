"""A real HTTP server that answers as a language model does, well or badly."""

import json
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class LanguageModel:
    """Serves ``/v1/chat/completions`` on this machine and keeps what it was asked.

    Each of ``answers`` is given once, the last one again and again: a text (the content of the
    message), bytes (the body as it stands), a status code, or seconds to sleep (a float).
    A function is called with the request's body and gives one of these.
    """

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []
        self.headers = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error):
        self.server.shutdown()
        self.server.server_close()

    @property
    def prompts(self):
        """The prompt of each request."""
        lines = [request["messages"][1]["content"].splitlines()[0] for request in self.requests]
        return [line.removeprefix("Prompt: ") for line in lines]

    def answer(self, request):
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer(request) if callable(answer) else answer

    def _handler(model):
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                model.requests.append(body)
                model.headers.append(dict(self.headers))
                answer, status = model.answer(body), 200
                if self.path != "/v1/chat/completions":
                    answer = 404
                if isinstance(answer, float):
                    time.sleep(answer)
                    answer = "too late"
                if isinstance(answer, int):
                    status, answer = answer, b'{"error": "as asked"}'
                if isinstance(answer, str):
                    message = {"role": "assistant", "content": answer}
                    answer = json.dumps({"choices": [{"message": message}]}).encode()
                with suppress(BrokenPipeError):  # who asked has given up
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(answer)))
                    self.end_headers()
                    self.wfile.write(answer)

            def log_message(self, *arguments):
                pass

        return Handler
