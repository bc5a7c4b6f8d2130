package logtransform

import "strings"

// locale is how a language writes months and days of the week: full and short, those of a list beginning in January and on Sunday.
type locale struct{ months, shortMonths, days, shortDays []string }

const locales = "ROOT, en, de, fr, es, it, nl and pt, with or without a country"

// localeOf is the locale of a name as de, de_DE or de-DE.
func localeOf(name string) (*locale, bool) {
	language, _, _ := strings.Cut(strings.ReplaceAll(strings.ToLower(name), "-", "_"), "_")
	var words [4]string
	switch language {
	case "", "root", "locale.root", "en":
		words = [4]string{
			"January February March April May June July August September October November December",
			"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec",
			"Sunday Monday Tuesday Wednesday Thursday Friday Saturday",
			"Sun Mon Tue Wed Thu Fri Sat",
		}
	case "de":
		words = [4]string{
			"Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
			"Jan. Feb. März Apr. Mai Juni Juli Aug. Sept. Okt. Nov. Dez.",
			"Sonntag Montag Dienstag Mittwoch Donnerstag Freitag Samstag",
			"So. Mo. Di. Mi. Do. Fr. Sa.",
		}
	case "fr":
		words = [4]string{
			"janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
			"janv. févr. mars avr. mai juin juil. août sept. oct. nov. déc.",
			"dimanche lundi mardi mercredi jeudi vendredi samedi",
			"dim. lun. mar. mer. jeu. ven. sam.",
		}
	case "es":
		words = [4]string{
			"enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
			"ene feb mar abr may jun jul ago sept oct nov dic",
			"domingo lunes martes miércoles jueves viernes sábado",
			"dom lun mar mié jue vie sáb",
		}
	case "it":
		words = [4]string{
			"gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
			"gen feb mar apr mag giu lug ago set ott nov dic",
			"domenica lunedì martedì mercoledì giovedì venerdì sabato",
			"dom lun mar mer gio ven sab",
		}
	case "nl":
		words = [4]string{
			"januari februari maart april mei juni juli augustus september oktober november december",
			"jan. feb. mrt. apr. mei jun. jul. aug. sep. okt. nov. dec.",
			"zondag maandag dinsdag woensdag donderdag vrijdag zaterdag",
			"zo ma di wo do vr za",
		}
	case "pt":
		words = [4]string{
			"janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
			"jan. fev. mar. abr. mai. jun. jul. ago. set. out. nov. dez.",
			"domingo segunda-feira terça-feira quarta-feira quinta-feira sexta-feira sábado",
			"dom. seg. ter. qua. qui. sex. sáb.",
		}
	default:
		return nil, false
	}
	return &locale{strings.Fields(words[0]), strings.Fields(words[1]), strings.Fields(words[2]), strings.Fields(words[3])}, true
}

func (l *locale) month(i int, short bool) string {
	if short {
		return l.shortMonths[i]
	}
	return l.months[i]
}

func (l *locale) day(i int, short bool) string {
	if short {
		return l.shortDays[i]
	}
	return l.days[i]
}

// read finds the longest of the names that a text begins with; a short one may lack its point.
func read(s string, names []string) (at int, rest string, ok bool) {
	longest := 0
	for i, name := range names {
		for _, n := range [...]string{name, strings.TrimSuffix(name, ".")} {
			if len(n) > longest && len(s) >= len(n) && strings.EqualFold(s[:len(n)], n) {
				at, longest = i, len(n)
			}
		}
	}
	return at, s[longest:], longest > 0
}

func (l *locale) readMonth(s string, short bool) (month int, rest string, ok bool) {
	names := l.months
	if short {
		names = l.shortMonths
	}
	at, rest, ok := read(s, names)
	return at + 1, rest, ok
}

func (l *locale) readDay(s string, short bool) (rest string, ok bool) {
	names := l.days
	if short {
		names = l.shortDays
	}
	_, rest, ok = read(s, names)
	return rest, ok
}
