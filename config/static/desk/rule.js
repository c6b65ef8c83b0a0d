// The builder of segments: a tree of groups and conditions over the rule in the textarea beside it.
"use strict";

(() => {
  const build = (root) => {
    const words = root.dataset;
    const source = root.querySelector("textarea");
    const tree = root.querySelector(".desk-rule-tree");
    const count = root.querySelector(".desk-rule-count");
    const known = JSON.parse(root.querySelector("#rule-conditions").textContent);
    const byName = new Map(known.map((condition) => [condition.name, condition]));
    let serial = 0;
    let waiting = 0;
    let asked = 0;
    let question = "";

    const make = (tag, attributes = {}, ...children) => {
      const node = document.createElement(tag);
      for (const [name, value] of Object.entries(attributes)) {
        if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
        else if (value !== false && value != null) node.setAttribute(name, value === true ? "" : value);
      }
      node.append(...children);
      return node;
    };

    // The rule as JSON ⇄ the tree as it is edited: {how: all | any | none, parts} and conditions.
    const read = (rule) => {
      if ("condition" in rule) return { ...rule };
      if ("not" in rule) {
        const inner = read(rule.not);
        if (inner.parts && inner.how === "any") return { how: "none", parts: inner.parts };
        return { how: "none", parts: [inner] };
      }
      const how = "any" in rule ? "any" : "all";
      return { how, parts: (rule[how] || []).map(read) };
    };
    const readRoot = (rule) => {
      const part = read(rule);
      return part.parts ? part : { how: "all", parts: [part] };
    };
    const write = (part) => {
      if (part.condition !== undefined) {
        const rule = { condition: part.condition, operator: part.operator };
        if (operatorOf(part)?.takes !== "nothing") rule.value = part.value;
        return rule;
      }
      const parts = part.parts.map(write).filter((inner) => inner !== null);
      if (!parts.length) return null;
      return part.how === "none" ? { not: { any: parts } } : { [part.how]: parts };
    };
    const operatorOf = (part) =>
      byName.get(part.condition)?.operators.find((operator) => operator.name === part.operator);

    const changed = () => {
      nameAll();
      source.value = JSON.stringify(write(top) || {}, null, 1);
      source.dispatchEvent(new Event("change", { bubbles: true }));
      // The figures are those of the rule before, until the new ones are here.
      count.setAttribute("aria-busy", "true");
      clearTimeout(waiting);
      waiting = setTimeout(look, 350);
    };
    const look = async (exactly) => {
      const body = new FormData();
      body.set("rule", source.value);
      body.set("asked", question);
      if (exactly === true) body.set("exactly", "1");
      body.set("csrfmiddlewaretoken", document.querySelector("[name=csrfmiddlewaretoken]").value);
      const number = (asked += 1);
      count.setAttribute("aria-busy", "true");
      // Whoever is signed out is led to the sign-in, which is no answer.
      const text = await fetch(words.countUrl, { method: "POST", body, credentials: "same-origin" })
        .then((answer) => (answer.ok && !answer.redirected ? answer.text() : null)).catch(() => null);
      if (number !== asked) return;
      count.removeAttribute("aria-busy");
      if (text === null) count.replaceChildren(make("p", { class: "desk-error" }, words.away));
      else show(text);
    };
    // Whoever is in the figures meanwhile stays where they are, or at the first control of them.
    const show = (text) => {
      const controls = () => [...count.querySelectorAll("select, button, a")];
      const held = document.activeElement;
      const place = controls().indexOf(held);
      count.innerHTML = text;
      if (place < 0) return;
      const [first, same] = [controls()[0], controls()[place]];
      (same?.tagName === held.tagName ? same : first)?.focus();
    };
    // Who works by keyboard goes on where the redrawn tree shows the part they worked on.
    const redraw = (part, by) => {
      for (const drawn of [firstOf, adders, named, above, movers]) drawn.clear();
      tree.replaceChildren(drawGroup(top, null));
      const moved = by && (movers.get(part)?.get(by) || movers.get(part)?.get(-by));
      if (part) (moved || firstOf.get(part) || adders.get(part))?.focus();
      changed();
    };
    const firstOf = new Map();
    const adders = new Map();
    const above = new Map();
    const movers = new Map();

    // A part in words, so that what removes it can be told from what removes another.
    const textOf = (choices, value) =>
      choices.find(([known]) => String(known) === String(value))?.[1] ?? String(value ?? "");
    const say = (part) => {
      if (part.parts) return `${words[part.how]} (${part.parts.map(say).join("; ")})`;
      const condition = byName.get(part.condition);
      const operator = operatorOf(part);
      if (!condition || !operator) return JSON.stringify(part);
      const values = operator.takes === "nothing" ? [] : [part.value].flat();
      const value = values.map((each) => textOf(condition.choices, each)).join(", ");
      const asked = operator.label.includes("…") ? operator.label.replace("…", () => value) : `${operator.label} ${value}`;
      return `${condition.label} ${asked}`.trim();
    };
    const named = new Map();
    const nameAll = () => {
      for (const [part, name] of named) name(say(part));
    };

    const select = (label, options, chosen, onchange, attributes = {}) => {
      const id = `rule-${(serial += 1)}`;
      const node = make("select", { id, "aria-label": label, ...attributes, onchange });
      for (const option of options) {
        if (option.options) {
          node.append(make("optgroup", { label: option.label }, ...option.options.map(one)));
        } else node.append(one(option));
      }
      // What is no choice any more is shown as it stands, not as the choice that happens to be first.
      if (!options[0]?.options && !options.some(([value]) => value === chosen)) node.append(one([chosen, String(chosen ?? "")]));
      function one([value, text]) {
        return make("option", { value, selected: value === chosen }, text);
      }
      return node;
    };

    const fresh = () => {
      const condition = known[0];
      const part = { condition: condition.name, operator: condition.operators[0].name };
      part.value = firstValue(condition, condition.operators[0]);
      return part;
    };
    const firstValue = (condition, operator) => {
      // What is typed is suggested when somebody types: only of a few is the first a likely one.
      const isTyped = condition.isOpen && condition.choices.length > 12;
      const first = isTyped ? "" : condition.choices[0]?.[0] ?? "";
      return { nothing: undefined, choice: first, choices: first ? [first] : [], days: 30, number: 0,
               date: new Date().toISOString().slice(0, 10), text: "" }[operator.takes];
    };

    const drawValue = (part, condition, operator) => {
      const set = (value) => { part.value = value; changed(); };
      const label = words.value;
      const typed = (type, value, onput, more = {}) =>
        make("input", { type, value: value ?? "", "aria-label": label, ...more,
                        oninput: (event) => onput(event.target.value) });
      const withList = (input) => {
        if (!condition.choices.length) return [input];
        const id = `rule-list-${(serial += 1)}`;
        input.setAttribute("list", id);
        return [input, make("datalist", { id }, ...condition.choices.map(([value, text]) => make("option", { value }, text)))];
      };
      switch (operator?.takes) {
        case "nothing": return [];
        case "number": return [typed("number", part.value, (text) => set(text === "" ? null : Number(text)), { step: "any" })];
        case "days": return [typed("number", part.value, (text) => set(text === "" ? null : Math.trunc(Number(text))), { min: 1, step: 1 })];
        case "date": return [typed("date", part.value, set)];
        case "choice":
          if (condition.isOpen) return withList(typed("text", part.value, set));
          return [select(label, condition.choices, part.value, (event) => set(event.target.value))];
        case "choices": {
          const list = Array.isArray(part.value) ? part.value : [];
          if (condition.isOpen) {
            const split = (text) => set(text.split(",").map((each) => each.trim()).filter(Boolean));
            return [typed("text", list.join(", "), split, { title: words.commas, placeholder: words.commas })];
          }
          const toggle = (value) => (event) =>
            set(event.target.checked ? [...part.value, value] : part.value.filter((each) => each !== value));
          const gone = list.filter((each) => !condition.choices.some(([value]) => value === each));
          const boxes = [...condition.choices, ...gone.map((each) => [each, each])].map(([value, text]) =>
            make("label", {}, make("input", { type: "checkbox", checked: list.includes(value), onchange: toggle(value) }), text));
          return [make("span", { class: "desk-rule-boxes", role: "group", "aria-label": label }, ...boxes)];
        }
        default: return [typed("text", part.value, set)];
      }
    };

    const drawCondition = (part, parent) => {
      const condition = byName.get(part.condition);
      const groups = new Map();
      for (const each of known) {
        if (!groups.has(each.group)) groups.set(each.group, []);
        groups.get(each.group).push([each.name, each.label]);
      }
      const names = [...groups].map(([label, options]) => ({ label, options }));
      const row = make("div", { class: "desk-rule-row", role: "group" });
      named.set(part, (said) => row.setAttribute("aria-label", said));
      if (condition) row.append(drawAsked(part, names));
      else row.append(make("code", {}, JSON.stringify(part)));
      const buttons = handles(part, parent);
      if (!condition) firstOf.set(part, buttons.lastChild);
      row.append(buttons);
      return row;
    };
    // The select that is changed stays, whatever it changes behind itself: the keyboard never loses its place.
    const drawAsked = (part, names) => {
      const asked = make("div", { class: "desk-rule-asked" });
      const replaceAfter = (kept, ...nodes) => {
        while (kept.nextSibling) kept.nextSibling.remove();
        asked.append(...nodes);
      };
      const value = () => drawValue(part, byName.get(part.condition), operatorOf(part));
      const what = select(words.what, names, part.condition, (event) => {
        const chosen = byName.get(event.target.value);
        part.condition = chosen.name;
        part.operator = chosen.operators[0].name;
        part.value = firstValue(chosen, chosen.operators[0]);
        replaceAfter(what, ...follow());
        changed();
      });
      const follow = () => {
        const condition = byName.get(part.condition);
        const operators = condition.operators.map((operator) => [operator.name, operator.label]);
        const how = select(words.how, operators, part.operator, (event) => {
          const before = operatorOf(part)?.takes;
          part.operator = event.target.value;
          if (operatorOf(part).takes !== before) {
            part.value = firstValue(condition, operatorOf(part));
            replaceAfter(how, ...value());
          }
          changed();
        });
        return [how, ...value()];
      };
      asked.append(what, ...follow());
      firstOf.set(part, what);
      return asked;
    };
    // What moves a part and what removes it, each named for what it moves.
    const handles = (part, parent) => {
      const remove = () => {
        const place = parent.parts.indexOf(part);
        parent.parts.splice(place, 1);
        redraw(parent.parts[place] || parent.parts[place - 1] || parent);
      };
      const button = (title, name, sign, onclick) => {
        const made = make("button", { type: "button", title, onclick }, sign);
        const before = named.get(part);
        named.set(part, (said) => {
          before?.(said);
          made.setAttribute("aria-label", name.replace("{part}", () => said));
        });
        return made;
      };
      const buttons = make("span", { class: "desk-rule-handles" });
      movers.set(part, new Map());
      for (const [by, title, name, sign] of [[-1, words.up, words.upPart, "↑"], [1, words.down, words.downPart, "↓"]]) {
        const goal = goalOf(part, parent, by);
        if (!goal) continue;
        const move = () => {
          parent.parts.splice(parent.parts.indexOf(part), 1);
          goal.group.parts.splice(goal.place, 0, part);
          redraw(part, by);
        };
        movers.get(part).set(by, button(title, name, sign, move));
        buttons.append(movers.get(part).get(by));
      }
      const removal = button(words.remove, words.removePart, "×", remove);
      removal.className = "desk-rule-remove";
      buttons.append(removal);
      return buttons;
    };
    // A step up or down the page: into the group that stands there, past a condition, or out of its own group.
    const goalOf = (part, parent, by) => {
      const place = parent.parts.indexOf(part);
      const beside = parent.parts[place + by];
      if (beside?.parts) return { group: beside, place: by < 0 ? beside.parts.length : 0 };
      if (beside) return { group: parent, place: place + by };
      const group = above.get(parent);
      return group && { group, place: group.parts.indexOf(parent) + (by < 0 ? 0 : 1) };
    };

    const drawGroup = (group, parent) => {
      const hows = [["all", words.all], ["any", words.any], ["none", words.none]];
      const how = select(words.how, hows, group.how, (event) => { group.how = event.target.value; changed(); });
      const head = make("div", { class: "desk-rule-head" }, how);
      const fieldset = make("fieldset", { class: "desk-rule-group" }, head);
      named.set(group, () => fieldset.setAttribute("aria-label", words[group.how]));
      if (parent) {
        firstOf.set(group, how);
        above.set(group, parent);
        head.append(handles(group, parent));
      }
      const parts = group.parts.map((part) => (part.parts ? drawGroup(part, group) : drawCondition(part, group)));
      const add = (part) => () => { group.parts.push(part()); redraw(group.parts.at(-1)); };
      const addCondition = make("button", { type: "button", onclick: add(fresh) }, `+ ${words.addCondition}`);
      const addGroup = make("button", { type: "button", onclick: add(() => ({ how: "any", parts: [fresh()] })) }, `+ ${words.addGroup}`);
      const feet = make("div", { class: "desk-rule-feet" }, addCondition, addGroup);
      adders.set(group, addCondition);
      const empty = !parent && !parts.length ? [make("p", { class: "desk-quiet" }, words.everybody)] : [];
      fieldset.append(...empty, ...parts, feet);
      return fieldset;
    };

    let top;
    const start = () => {
      try { top = readRoot(JSON.parse(source.value || "{}") || {}); } catch { return; }
      redraw();
    };
    source.addEventListener("input", start);
    count.addEventListener("change", async (event) => {
      if (!event.target.matches("[data-rule-asked]")) return;
      question = event.target.value;
      await look();
    });
    count.addEventListener("click", (event) => {
      if (event.target.matches("[data-rule-exactly]")) look(true);
    });
    start();
  };

  document.querySelectorAll(".desk-rule").forEach(build);
})();
