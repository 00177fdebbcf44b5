//! Pieces of HTML.

/// Text as HTML shows it.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
    out
}

/// A table; the first cell of each row names it.
pub(super) fn table(caption: &str, head: &[&str], rows: &[Vec<String>]) -> String {
    let mut text = format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{caption}\">\n\
         <table>\n<caption>{caption}</caption>\n",
        caption = escaped(caption)
    );
    if head.iter().any(|cell| !cell.is_empty()) {
        let cells = head.iter().map(|cell| match cell.is_empty() {
            true => "<td></td>".to_owned(),
            false => format!("<th scope=\"col\">{}</th>", escaped(cell)),
        });
        text += &format!("<thead><tr>{}</tr></thead>\n", cells.collect::<String>());
    }
    text += "<tbody>\n";
    for row in rows {
        let cells = row.iter().enumerate().map(|(place, cell)| match place {
            0 => format!("<th scope=\"row\">{}</th>", escaped(cell)),
            _ => format!("<td>{}</td>", escaped(cell)),
        });
        text += &format!("<tr>{}</tr>\n", cells.collect::<String>());
    }
    text + "</tbody>\n</table>\n</div>\n"
}

/// A chart with what it shows, for those who see it and for those who do not.
pub(super) fn figure(title: &str, summary: &str, legend: &[(&str, &str)], svg: &str) -> String {
    let (title, summary) = (escaped(title), escaped(summary));
    let label = format!("<svg role=\"img\" aria-label=\"{title}: {summary}\" ");
    let svg = svg.replacen("<svg ", &label, 1);
    let keys = legend
        .iter()
        .map(|(class, name)| format!("<span class=\"key {class}\">{}</span>", escaped(name)));
    let keys: String = keys.collect();
    format!(
        "<figure>\n<figcaption><b>{title}</b> {summary}<span class=\"legend\">{keys}</span>\
         </figcaption>\n<div class=\"chart\" tabindex=\"0\" role=\"region\" \
         aria-label=\"{title}\">{svg}</div>\n</figure>\n"
    )
}
