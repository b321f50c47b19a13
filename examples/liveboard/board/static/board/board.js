// SPDX-License-Identifier: GPL-3.0-or-later
// Keeps an open page up to date: over a WebSocket where the server has one, by asking again and again where not.
// The page works without this file; everything here is on top of the plain form.
"use strict";

const POLL_EVERY = 3000;
const RETRY_FIRST = 500;
// The server speaks every five seconds at least: a socket silent for longer than this is dead.
const SILENCE = 20000;
const PAGE_LENGTH = 100;
// Notes may be committed in another order than they were numbered, so the last few are asked for again.
const OVERLAP = 5;

const $ = (id) => document.getElementById(id);
const page = document.body.dataset;
const client = clientId();

// ---- notes -------------------------------------------------------------------------------------------------------

const list = $("notes");
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });

function showTime(item, created) {
  const time = item.querySelector("time");
  time.dateTime = created;
  time.title = new Date(created).toLocaleString();
  item.querySelector(".note__clock").textContent = clock.format(new Date(created));
  item.querySelector(".note__day").textContent = day.format(new Date(created));
}

function addNote(note) {
  if (list.querySelector(`[data-id="${Number(note.id)}"]`)) return;
  const item = $("note-template").content.firstElementChild.cloneNode(true);
  item.dataset.id = note.id;
  item.dataset.colour = note.colour;
  item.classList.add("note--arriving");
  item.querySelector(".note__text").textContent = note.text;
  item.querySelector(".note__author").textContent = note.author || "Anonymous";
  showTime(item, note.created);
  const next = [...list.children].find((other) => Number(other.dataset.id) < note.id);
  list.insertBefore(item, next || null);
  while (list.children.length > PAGE_LENGTH) list.lastElementChild.remove();
}

function lastNote() {
  return Number(list.firstElementChild?.dataset.id || 0);
}

function take(message) {
  message.notes?.forEach(addNote);
  if ("people" in message) $("people").textContent = message.people;
  if ("interface" in message) {
    page.interface = message.interface;
    $("interface").textContent = message.interface;
    $("release").textContent = message.release;
    $("release").title = message.commit;
  }
}

// ---- the line to the server --------------------------------------------------------------------------------------

let socket = null;
let failures = 0;
let pollTimer = 0;
let silenceTimer = 0;

function show(live, text) {
  page.live = live;
  $("status").textContent = text;
  $("transport").textContent = { websocket: "WebSocket", polling: "Polling", connecting: "–" }[live];
}

function query() {
  return new URLSearchParams({ after: Math.max(0, lastNote() - OVERLAP), client });
}

function openSocket() {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  socket = new WebSocket(`${scheme}//${location.host}/ws/board/?${query()}`);
  socket.onclose = (event) => lost(event.code);
  socket.onmessage = (event) => {
    const message = JSON.parse(event.data);
    take(message);
    if (message.type === "hello") {
      failures = 0;
      clearTimeout(pollTimer);
      show("websocket", "Live");
    }
    clearTimeout(silenceTimer);
    silenceTimer = setTimeout(dropSilentSocket, SILENCE);
  };
}

function dropSilentSocket() {
  socket.onclose = null;
  socket.close();
  lost(0);
}

// While the socket is away the page polls: that keeps it live, and tells whether the site still offers a WebSocket before it
// asks for one again. 1001, 1012 and, behind daphne, 4012 say that the server changes over.
function lost(code) {
  clearTimeout(silenceTimer);
  socket = null;
  if (page.live === "websocket") {
    const restarting = [1001, 1012, 4012].includes(code);
    show("connecting", restarting ? "The server is changing over; reconnecting…" : "Connection lost; reconnecting…");
  }
  const delay = Math.min(RETRY_FIRST * 2 ** failures, POLL_EVERY) * (0.75 + Math.random() / 2);
  failures += 1;
  clearTimeout(pollTimer);
  pollTimer = setTimeout(poll, delay);
}

async function poll() {
  try {
    const answer = await fetch(`/api/notes/?${query()}`, { signal: AbortSignal.timeout(10000) });
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    take(await answer.json());
    afterPoll();
  } catch {
    if (page.live === "polling") show("connecting", "No answer; trying again…");
  }
  if (page.live !== "websocket") pollTimer = setTimeout(poll, POLL_EVERY);
}

function afterPoll() {
  if (page.live === "websocket") return;
  if (page.interface === "WSGI") {
    failures = 0;
    show("polling", "Polling every 3 seconds");
    return;
  }
  if (failures > 2) show("polling", "Polling until the WebSocket is back");
  if (!socket) openSocket();
}

// The same page keeps its identifier over a reload, so that it is not counted twice.
function clientId() {
  let id = sessionStorage.getItem("client");
  if (!id) {
    id = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    sessionStorage.setItem("client", id);
  }
  return id;
}

// ---- posting -----------------------------------------------------------------------------------------------------

const form = $("form");

function showErrors(errors) {
  for (const name of ["text", "author", "colour", "form"]) $(`error-${name}`).textContent = errors[name]?.[0] || "";
}

function showLeft() {
  const left = form.text.maxLength - form.text.value.length;
  $("left").textContent = left <= 60 ? `${left} characters left` : "";
}

async function post() {
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    const answer = await fetch(form.action, {
      method: "POST",
      body: new FormData(form),
      headers: { Accept: "application/json" },
    });
    if (answer.status === 422) return showErrors((await answer.json()).errors);
    if (answer.status === 403) return showErrors({ form: ["This page is too old to post from; reload it."] });
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    addNote(await answer.json());
    showErrors({});
    form.text.value = "";
    showLeft();
    form.text.focus();
  } catch {
    showErrors({ form: ["The board did not take the note. It is still here: post it again."] });
  } finally {
    button.disabled = false;
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  post();
});
form.text.addEventListener("input", showLeft);
form.text.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
});

// ---- what this track carries -------------------------------------------------------------------------------------

async function testJson(id, path, describe) {
  const started = performance.now();
  try {
    const answer = await (await fetch(path)).json();
    $(id).textContent = describe(answer, Math.round(performance.now() - started));
  } catch {
    $(id).textContent = "No answer.";
  }
}

function testEvents() {
  const result = $("test-events");
  const started = performance.now();
  const source = new EventSource("/events/");
  let count = 0;
  const seconds = () => Math.round((performance.now() - started) / 1000);
  const stop = (text) => {
    source.close();
    clearTimeout(enough);
    result.textContent = text;
  };
  const enough = setTimeout(() => stop(`${count} events in ${seconds()} s, and still open.`), 8000);
  for (const type of ["hello", "notes", "people"]) {
    source.addEventListener(type, () => {
      count += 1;
      result.textContent = `${count} events in ${seconds()} s…`;
    });
  }
  source.onerror = () => stop(count ? `${count} events, ended after ${seconds()} s.` : "No answer.");
}

$("run-tests").addEventListener("click", () => {
  testJson("test-health", "/health/", (it, ms) => `${it.status}, database ${it.database}, in ${ms} ms.`);
  testJson("test-async", "/async/", (it) => {
    const where = it.native ? "on the server\u2019s own event loop" : "on a loop made for this one request";
    return `Both done in ${Math.round(it.took * 1000)} ms, ${where}.`;
  });
  testEvents();
  $("test-websocket").textContent = page.live === "websocket" ? "Open." : "Not offered here: this page polls.";
});

// ---- start -------------------------------------------------------------------------------------------------------

for (const item of list.children) showTime(item, item.querySelector("time").dateTime);
showLeft();
// The site may have been switched since it made this page: what serves it now is asked first, and a WebSocket opened then.
poll();
