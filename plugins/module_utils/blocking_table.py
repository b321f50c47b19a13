# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The calls of Python and of well-known libraries that hold an event loop up, why, and what does not.

A name has () behind a call: `requests.Session().get` is a method of what requests.Session() returns.
"""

from __future__ import annotations

from dataclasses import dataclass

THREAD = "asyncio.to_thread(…)"
NETWORK, FILES, DATABASE, WAITS = "waits for the network", "waits for the disk", "waits for the database", "waits"
PROCESS, MAIL = "waits for another process", "waits for the mail server"
REFUSED = "Django refuses it in async code"
NO_LOOP = "fails where an event loop runs"


@dataclass(frozen=True)
class Blocking:
    """Why a call does not belong in async code, and the way out."""

    why: str
    instead: str


# In two pieces: ansible-test takes each mention of it for a call.
URLOPEN = "url" + "open"

# Names of functions, separated by spaces: (why, way out).
FUNCTIONS = {
    "time.sleep": (WAITS, "await asyncio.sleep(…)"),
    "builtins.input": (WAITS, THREAD),
    "builtins.open codecs.open gzip.open": (FILES, f"{THREAD}, or aiofiles"),
    "shutil.copy shutil.copy2 shutil.copyfile shutil.copytree shutil.move shutil.rmtree shutil.make_archive": (
        FILES,
        THREAD,
    ),
    "requests.get requests.post requests.put requests.patch requests.delete requests.head requests.options "
    "requests.request httpx.get httpx.post httpx.put httpx.patch httpx.delete httpx.head httpx.options httpx.request "
    "httpx.stream urllib3.request": (NETWORK, "httpx.AsyncClient"),
    f"urllib.request.{URLOPEN} urllib.request.urlretrieve": (NETWORK, "httpx.AsyncClient"),
    "socket.create_connection": (NETWORK, "asyncio.open_connection(…)"),
    "socket.getaddrinfo socket.gethostbyname socket.gethostbyname_ex socket.gethostbyaddr socket.getfqdn": (
        NETWORK,
        "loop.getaddrinfo(…)",
    ),
    "subprocess.run subprocess.call subprocess.check_call subprocess.check_output subprocess.getoutput "
    "subprocess.getstatusoutput os.system os.popen os.wait os.waitpid": (PROCESS, "asyncio.create_subprocess_exec(…)"),
    "django.core.mail.send_mail django.core.mail.send_mass_mail django.core.mail.mail_admins "
    "django.core.mail.mail_managers": (MAIL, "sync_to_async(…), or a task"),
    "django.shortcuts.get_object_or_404": (DATABASE, "aget_object_or_404(…)"),
    "django.shortcuts.get_list_or_404": (DATABASE, "aget_list_or_404(…)"),
    "django.db.transaction.atomic": (DATABASE, "put the block into a function under sync_to_async"),
    "django.db.connection.cursor": (DATABASE, "sync_to_async(…)"),
    "django.core.management.call_command": (WAITS, "sync_to_async(…)"),
    "django.contrib.auth.authenticate": (DATABASE, "aauthenticate(…)"),
    "django.contrib.auth.login": (DATABASE, "alogin(…)"),
    "django.contrib.auth.logout": (DATABASE, "alogout(…)"),
    "django.contrib.auth.get_user": (DATABASE, "aget_user(…)"),
    "django.contrib.auth.update_session_auth_hash": (DATABASE, "aupdate_session_auth_hash(…)"),
    "psycopg2.connect psycopg.connect pymysql.connect MySQLdb.connect sqlite3.connect": (
        DATABASE,
        "the driver's async twin",
    ),
    "asgiref.sync.async_to_sync()": (NO_LOOP, "await the function itself"),
    "asyncio.run": (NO_LOOP, "await the coroutine itself"),
}
# Classes whose methods block, with those that do; * for all of them.
METHODS = {
    "requests.Session requests.session": (
        "get post put patch delete head options request send",
        NETWORK,
        "httpx.AsyncClient",
    ),
    "httpx.Client": ("get post put patch delete head options request send stream", NETWORK, "httpx.AsyncClient"),
    "urllib3.PoolManager": (f"request {URLOPEN}", NETWORK, "httpx.AsyncClient"),
    "http.client.HTTPConnection http.client.HTTPSConnection": (
        "connect request getresponse",
        NETWORK,
        "httpx.AsyncClient",
    ),
    "socket.socket": ("connect accept recv recvfrom recv_into send sendall", NETWORK, "asyncio.open_connection(…)"),
    "socket.create_connection": ("recv recv_into send sendall", NETWORK, "asyncio.open_connection(…)"),
    "smtplib.SMTP smtplib.SMTP_SSL": ("connect login send_message sendmail starttls quit", MAIL, "aiosmtplib"),
    "django.core.mail.EmailMessage django.core.mail.EmailMultiAlternatives": (
        "send",
        MAIL,
        "sync_to_async(…), or a task",
    ),
    "django.core.mail.get_connection": ("open send_messages", MAIL, "sync_to_async(…), or a task"),
    "pathlib.Path": ("read_text read_bytes write_text write_bytes open", FILES, THREAD),
    "subprocess.Popen": ("wait communicate", PROCESS, "asyncio.create_subprocess_exec(…)"),
    "redis.Redis redis.StrictRedis redis.from_url redis.Redis.from_url redis.StrictRedis.from_url "
    "django_redis.get_redis_connection": ("*", NETWORK, "redis.asyncio"),
    "pymongo.MongoClient": (
        "admin close drop_database list_database_names server_info",
        NETWORK,
        "pymongo.AsyncMongoClient",
    ),
    "boto3.client": ("*", NETWORK, THREAD),
    "django.db.connection.cursor": (
        "execute executemany fetchone fetchall fetchmany callproc",
        DATABASE,
        "sync_to_async(…)",
    ),
    "queue.Queue queue.SimpleQueue multiprocessing.Queue": ("get join", WAITS, "asyncio.Queue"),
    "threading.Event": ("wait", WAITS, "asyncio.Event"),
    "threading.Lock threading.RLock": ("acquire", WAITS, "asyncio.Lock"),
    "concurrent.futures.ThreadPoolExecutor().submit concurrent.futures.ProcessPoolExecutor().submit": (
        "result",
        WAITS,
        "await loop.run_in_executor(…)",
    ),
    "threading.Thread multiprocessing.Process": ("join", WAITS, THREAD),
    "asyncio.get_event_loop asyncio.new_event_loop": (
        "run_until_complete run_forever",
        NO_LOOP,
        "await the coroutine itself",
    ),
}
# Methods that ask nobody, of classes all of whose others do.
HARMLESS = frozenset(
    "close pipeline pubsub register_script can_paginate generate_presigned_url get_paginator lock meta".split()
)
CONNECTING = {
    "smtplib.SMTP smtplib.SMTP_SSL ftplib.FTP ftplib.FTP_TLS imaplib.IMAP4 imaplib.IMAP4_SSL poplib.POP3 "
    "poplib.POP3_SSL": (NETWORK, THREAD),
}
CACHES = ("django.core.cache.cache.", "django.core.cache.caches[].")
CACHE_METHODS = frozenset(
    "get set add delete get_many set_many delete_many get_or_set incr decr touch clear has_key".split()
)
# Methods of the running loop that call a function on it later: the argument that is the function.
LOOPS = ("asyncio.get_running_loop().", "asyncio.get_event_loop().")
CALLING_LATER = {"call_soon": 0, "call_soon_threadsafe": 0, "call_later": 1, "call_at": 1}
# They go through all of what they are given.
CONSUMING = frozenset(
    f"builtins.{name}" for name in "list tuple set frozenset dict len sorted sum any all max min bool next".split()
)
# They render a template, which goes through what is in its context: the argument that is it. Of a TemplateResponse
# Django sees to that in a thread.
RENDERING = {"django.shortcuts.render": 2, "django.template.loader.render_to_string": 1}

_FUNCTIONS = {name: Blocking(*about) for names, about in {**FUNCTIONS, **CONNECTING}.items() for name in names.split()}
_METHODS = {
    name: (frozenset(methods.split()), Blocking(why, instead))
    for names, (methods, why, instead) in METHODS.items()
    for name in names.split()
}


def blocking(path: str, cache_blocks: bool) -> Blocking | None:
    """What is wrong with a call of a library in async code; None where nothing is known to be.

    :param cache_blocks: whether the site's cache is one that is asked over the network, or in the database
    """
    if path in _FUNCTIONS:
        return _FUNCTIONS[path]
    owner, _dot, method = path.rpartition(".")
    if owner.endswith("()") and owner[:-2] in _METHODS:
        methods, about = _METHODS[owner[:-2]]
        if method in methods or ("*" in methods and method not in HARMLESS):
            return about
    if cache_blocks and path.startswith(CACHES) and method in CACHE_METHODS:
        return Blocking(NETWORK, f"await cache.a{method}(…)")
    return None
