// dom: elements made by hand. Text is only ever put in as text: a recording may hold anything.

export const byId = (id) => document.getElementById(id);

function fillElement(element, attributes, children) {
	for (const [name, value] of Object.entries(attributes))
		element.setAttribute(name, value);
	element.append(...children);
	return element;
}

export const make = (tag, attributes = {}, ...children) => fillElement(document.createElement(tag), attributes, children);

export const makeSvg = (tag, attributes = {}, ...children) =>
	fillElement(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children);

// Nothing is touched that is so already: a reader's selection survives.
export function setText(element, text) {
	if (element.textContent !== text)
		element.textContent = text;
}

// A list that may be long: a part of it at a time, the rest by a button.
export class Pages {
	#rows;
	#button;
	#makeRow;
	#size;
	#all = [];
	#shown = 0;

	constructor(rows, button, makeRow, size = 100) {
		this.#rows = rows;
		this.#button = button;
		this.#makeRow = makeRow;
		this.#size = size;
		button.addEventListener('click', () => this.#more());
	}

	show(all) {
		this.#all = all;
		this.#shown = 0;
		this.#rows.replaceChildren();
		this.#more();
	}

	#more() {
		const next = this.#all.slice(this.#shown, this.#shown + this.#size);

		this.#rows.append(...next.map(this.#makeRow));
		this.#shown += next.length;
		const rest = this.#all.length - this.#shown;

		this.#button.hidden = rest === 0;
		setText(this.#button, `Show ${Math.min(rest, this.#size).toLocaleString('en')} more`);
	}

	get shown() {
		return this.#shown;
	}
}
