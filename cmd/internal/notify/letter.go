package notify

import (
	"bytes"
	"cmp"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net/textproto"
	"strings"
	"time"
)

// inFull is how many events a letter describes in full; of more it names the domain and the event.
const inFull = 50

// letter returns a mail that describes the documents, with CRLF at the ends of its lines.
func letter(from string, to []string, docs []Document, now time.Time) []byte {
	var b bytes.Buffer
	_, host, _ := strings.Cut(from, "@")
	for _, h := range [][2]string{
		{"From", from},
		{"To", strings.Join(to, ",\n")},
		{"Subject", mime.QEncoding.Encode("utf-8", subject(docs))},
		{"Date", now.Format(time.RFC1123Z)},
		{"Message-ID", "<" + docs[0].ID + "@" + host + ">"},
		{"Auto-Submitted", "auto-generated"}, // RFC 3834: answer no vacation notice
		{"MIME-Version", "1.0"},
		{"Content-Type", "text/plain; charset=utf-8"},
		{"Content-Transfer-Encoding", "quoted-printable"},
	} {
		fmt.Fprintf(&b, "%s: %s\r\n", h[0], folded(h[1]))
	}
	b.WriteString("\r\n")
	w := quotedprintable.NewWriter(&b)
	fmt.Fprint(w, strings.ReplaceAll(body(docs), "\n", "\r\n"))
	w.Close()
	return b.Bytes()
}

// folded keeps a header field one field, whatever is in it: what continues it
// begins with a space.
func folded(value string) string {
	lines := strings.FieldsFunc(value, func(r rune) bool { return r == '\r' || r == '\n' })
	for i := range lines {
		lines[i] = oneLine(textproto.TrimString(lines[i]))
	}
	return strings.Join(lines, "\r\n ")
}

func subject(docs []Document) string {
	d := docs[0]
	if len(docs) == 1 {
		return shortened(fmt.Sprintf("dkimbot: %s: %s", about(d), headline(d)), 150)
	}
	domains, gathered := map[string]bool{}, 0
	for _, d := range docs {
		domains[about(d)] = true
		gathered += max(0, d.Count-1)
	}
	if len(domains) == 1 {
		return fmt.Sprintf("dkimbot: %s: %s", about(d), counted(docs))
	}
	return fmt.Sprintf("dkimbot: %d domains: %s", len(domains)+gathered, counted(docs))
}

// counted says how many events of each kind there are.
func counted(docs []Document) string {
	var parts []string
	for _, event := range []string{Failed, Refused, Switched, Rotated} {
		n := 0
		for _, d := range docs {
			if d.Event == event {
				n++
			}
		}
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, event))
		}
	}
	return strings.Join(parts, ", ")
}

func headline(d Document) string {
	switch d.Event {
	case Switched, Rotated:
		return d.Event + ": " + d.Message
	}
	return strings.Join(strings.Fields(d.Event+" "+d.Step+" "+d.Selector), " ")
}

// shortened returns a text on one line, of at most so many letters.
func shortened(s string, most int) string {
	if r := []rune(oneLine(s)); len(r) > most {
		return string(r[:most]) + "…"
	}
	return oneLine(s)
}

func body(docs []Document) string {
	var b strings.Builder
	for i, d := range docs {
		if i == inFull {
			fmt.Fprintf(&b, "And %d more:\n\n", len(docs)-inFull)
		}
		fmt.Fprintf(&b, "%s\n", oneLine(about(d)+": "+headline(d)))
		if i >= inFull {
			continue
		}
		line(&b, "when", d.At.Format("Mon 2006-01-02 15:04:05 UTC"))
		line(&b, "signer", d.Signer)
		line(&b, "what", d.Message)
		if d.Error != nil {
			line(&b, "do", d.Error.Hint)
		}
		line(&b, "by", d.By)
		b.WriteString("\n")
	}
	b.WriteString("\nWhere everything stands: dkimbot status\nWhat was done: dkimbot history\n")
	return b.String()
}

func line(b *strings.Builder, name, text string) {
	if text != "" {
		fmt.Fprintf(b, "  %-7s %s\n", name, oneLine(text))
	}
}

// about names what a document is about.
func about(d Document) string {
	if d.Count > 0 {
		return fmt.Sprintf("%d domains", d.Count)
	}
	return cmp.Or(d.Domain, d.Command, "dkimbot")
}
