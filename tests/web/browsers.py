"""Chromium and Firefox, with the same few methods, and a server for the page.

Chromium is driven by Selenium through chromedriver, Firefox by Mozilla's own client of Marionette, the protocol that
geckodriver speaks with it, because Debian has no geckodriver. Elements are found, clicked and typed into alike:
`find_element(by, value)`, `.click()`, `.send_keys(text)`, `.text`. Both have a camera that isn't real, and save downloads
in `downloads` without a question. Both find the address INSECURE_HOST on this machine; it isn't secure, unlike
localhost.
"""

import contextlib
import functools
import http.server
import pathlib
import shutil
import threading

from marionette_driver.marionette import Marionette
from selenium import webdriver

SITE = pathlib.Path(__file__).resolve().parents[2] / "build-web" / "site"
INSECURE_HOST = "beit.test"
SECONDS = 60
SIZE = 1280, 1000  # of the window, in pixels


class Chromium(webdriver.Chrome):
    def __init__(self, downloads):
        options = webdriver.ChromeOptions()
        for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size={},{}".format(*SIZE),
                     "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
                     f"--host-resolver-rules=MAP {INSECURE_HOST} 127.0.0.1"):
            options.add_argument(flag)
        options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        super().__init__(options=options)
        self.set_script_timeout(SECONDS)

    def run(self, script, *arguments):
        """Runs a script in the page and returns its result, or what its promise resolves with."""
        return self.execute_script(script, *arguments)

    def errors(self):
        """What went wrong in the page since the last call."""
        return [entry["message"] for entry in self.get_log("browser")
                if entry["level"] == "SEVERE" and "favicon" not in entry["message"]]


class Firefox(Marionette):
    def __init__(self, downloads):
        log = pathlib.Path(downloads) / "firefox.log"
        super().__init__(bin=shutil.which("firefox-esr"), headless=True, gecko_log=str(log), prefs={
            "browser.download.dir": str(downloads), "browser.download.folderList": 2,
            "media.navigator.permission.disabled": True, "media.navigator.streams.fake": True,
            "network.dns.localDomains": INSECURE_HOST})
        self.start_session()
        self.timeout.script = SECONDS
        width, height = SIZE
        self.set_window_rect(width=width, height=height)

    def get(self, address):
        self.navigate(address)

    def run(self, script, *arguments):
        return self.execute_script(script, script_args=arguments, sandbox=None)

    def errors(self):
        with self.using_context("chrome"):  # the browser itself
            return self.execute_script("""
                const found = Services.console.getMessageArray().filter((message) =>
                  message instanceof Ci.nsIScriptError && message.category === "content javascript" &&
                  !(message.flags & Ci.nsIScriptError.warningFlag));
                Services.console.reset();
                return found.map(String);
                """)

    def save_screenshot(self, path):
        pathlib.Path(path).write_bytes(self.screenshot(format="binary", full=False))


BROWSERS = {"chromium": Chromium, "firefox": Firefox}


@contextlib.contextmanager
def served(site=SITE):
    """Serves a folder on this machine; gives the port."""
    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=site))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
