// Every page works without this file. It adds: one click sends one form, the seconds of the countdown, holding
// the vouchers for longer while somebody is at the page, and a page that shows by itself how a payment has ended.

const said = document.getElementById("said");
const say = (text) => { said.textContent = text; };

// One click, one form. The server is right without it; the customer sees that something is under way.
for (const form of document.forms) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "yes";
    const button = event.submitter ?? form.querySelector("button");
    button.setAttribute("aria-disabled", "true"); // not `disabled`, which would lose the focus
    if (form.dataset.busy) {
      button.textContent = form.dataset.busy;
      say(form.dataset.busy);
    }
  });
}
// a page that is shown again by the button "back" may be out of date
window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

const ask = async (address) => (await fetch(address, { headers: { Accept: "application/json" } })).json();

// The countdown.
const held = document.getElementById("held");
if (held) {
  const text = document.getElementById("countdown");
  const milestones = [10 * 60, 5 * 60, 60];
  const renewAt = 5 * 60;
  let end = Date.now() + Number(held.dataset.seconds) * 1000;
  let shown = null;
  let active = false;
  for (const kind of ["keydown", "pointerdown", "input"]) {
    document.addEventListener(kind, () => { active = true; }, { passive: true });
  }

  const seconds = () => Math.max(Math.round((end - Date.now()) / 1000), 0);
  const inWords = (left) => (left >= 60 ? `${left / 60} ${left === 60 ? "minute" : "minutes"}` : `${left} seconds`);

  const show = () => {
    const left = seconds();
    const passed = milestones.filter((each) => shown !== null && shown > each && left <= each && left > 0);
    const isOver = left === 0 && shown !== 0;
    shown = left;
    held.classList.toggle("over", left === 0);
    text.textContent = left
      ? `Held for you for ${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`
      : "Held for you no longer. Paying tries to hold the same sums again.";
    if (passed.length) say(`Your vouchers are held for ${inWords(Math.min(...passed))} more.`);
    if (isOver) say("Your vouchers are held no longer. Paying tries to hold the same sums again.");
    if (left > 0 && left <= renewAt && active && !document.hidden) renew();
  };

  const renew = async () => {
    active = false; // until somebody does something again
    try {
      const before = await ask(held.dataset.state);
      await fetch(held.action, { method: "POST", redirect: "manual" });
      const now = await ask(held.dataset.state);
      if (now.state !== "open" || now.rest !== before.rest) {
        location.reload();
        return;
      }
      end = Date.now() + now.seconds * 1000;
      shown = null;
      say("Your vouchers are held for another 30 minutes.");
      show();
    } catch {
      // no connection: the countdown goes on, and the button is there
    }
  };

  show();
  setInterval(show, 1000);
}

// A payment or a refund that is not known yet: look until it is.
const asking = document.getElementById("asking");
if (asking) {
  const look = async () => {
    try {
      const now = await ask(asking.dataset.state);
      if (now.state !== asking.dataset.now) {
        location.reload();
        return;
      }
    } catch {
      // no connection: look again later
    }
    setTimeout(look, 2000);
  };
  setTimeout(look, 2000);
}
