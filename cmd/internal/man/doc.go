// Package man makes the manual pages: one for the program and for each of its
// commands, from their own help; dkimbot.yaml(5), from the configuration's fields;
// and those that are written by hand, in the folder pages.
//
// A page is plain data (Page). It becomes roff for man(1), or text for a terminal.
// The package knows no other room: what it is given are commands and fields.
package man
