package dataprotection

import (
	"strconv"
	"strings"
)

// digits are the digits of a text.
func digits(s string) []int {
	var d []int
	for i := range len(s) {
		if s[i] >= '0' && s[i] <= '9' {
			d = append(d, int(s[i]-'0'))
		}
	}
	return d
}

// luhn is the check digit of cards, providers and Canada's insurance.
func luhn(d []int) bool {
	sum := 0
	for i := range d {
		v := d[len(d)-1-i]
		if i%2 == 1 {
			if v *= 2; v > 9 {
				v -= 9
			}
		}
		sum += v
	}
	return len(d) > 0 && sum%10 == 0
}

// weighted is the sum of digits, each times its weight.
func weighted(d []int, weights ...int) (sum int) {
	for i, w := range weights {
		sum += d[i] * w
	}
	return sum
}

// isCard: of an issuer's range, with its check digit, and none of those that are for tests.
func isCard(s string) bool {
	d := digits(s)
	if len(d) < 13 || len(d) > 19 || !luhn(d) {
		return false
	}
	number := strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
	if strings.Contains(forTests, " "+number+" ") {
		return false
	}
	n := len(number)
	two, _ := strconv.Atoi(number[:2])
	four, _ := strconv.Atoi(number[:4])
	switch {
	case number[0] == '4': // Visa, Electron
		return n == 13 || n == 16 || n == 19
	case two == 34 || two == 37: // American Express
		return n == 15
	case two == 36 || two == 38 || two == 39 || four >= 3000 && four <= 3059: // Diners Club
		return n >= 14
	case four >= 3528 && four <= 3589: // JCB
		return n >= 16
	case two >= 51 && two <= 55 || four >= 2221 && four <= 2720: // Mastercard
		return n == 16
	case two == 50 || two >= 56 && two <= 69: // Dankort, Discover, Maestro, UnionPay
		return true
	case two == 81:
		return n >= 16
	}
	return false
}

// forTests are numbers that issuers of cards have set aside for tests, which AWS does not report.
const forTests = " 122000000000003 2222405343248877 2222990905257051 2223007648726984 2223577120017656 30569309025904 34343434343434 " +
	"3528000700000000 3530111333300000 3566002020360505 36148900647913 36700102000000 371449635398431 378282246310005 378734493671000 " +
	"38520000023237 4012888888881881 4111111111111111 4222222222222 4444333322221111 4462030000000000 4484070000000000 4911830000000 " +
	"4917300800000000 4917610000000000 4917610000000000003 5019717010103742 5105105105105100 5111010030175156 5185540810000019 " +
	"5200828282828210 5204230080000017 5204740009900014 5420923878724339 5454545454545454 5455330760000018 5506900490000436 " +
	"5506900490000444 5506900510000234 5506920809243667 5506922400634930 5506927427317625 5553042241984105 5555553753048194 " +
	"5555555555554444 5610591081018250 6011000990139424 6011000400000000 6011111111111117 630490017740292441 630495060000000000 " +
	"6331101999990016 6759649826438453 6799990100000000019 76009244561 "

// isAccount: an IBAN has to have its check digits; what else is written as a country's accounts are has none that all banks have.
func isAccount(s string) bool {
	s = strings.ToUpper(strings.NewReplacer(" ", "", "-", "").Replace(s))
	if len(s) < 15 || s[0] < 'A' || s[1] < 'A' || s[0] > 'Z' || s[1] > 'Z' {
		return len(digits(s)) >= 6
	}
	rest := 0
	for _, c := range s[4:] + s[:4] {
		switch {
		case c >= '0' && c <= '9':
			rest = (rest*10 + int(c-'0')) % 97
		case c >= 'A' && c <= 'Z':
			rest = (rest*100 + int(c-'A') + 10) % 97
		}
	}
	return rest == 1
}

// isDEA: the sum of the first, third and fifth digit and twice the others ends in the last.
func isDEA(s string) bool {
	d := digits(s)
	return len(d) >= 7 && (d[len(d)-7]+d[len(d)-5]+d[len(d)-3]+2*(d[len(d)-6]+d[len(d)-4]+d[len(d)-2]))%10 == d[len(d)-1]
}

func isNPI(s string) bool { return luhn(append([]int{8, 0, 8, 4, 0}, digits(s)...)) }

func isNHS(s string) bool {
	d := digits(s)
	if len(d) != 10 {
		return false
	}
	check := (11 - weighted(d, 10, 9, 8, 7, 6, 5, 4, 3, 2)%11) % 11
	return check == d[9]
}

func isSIN(s string) bool {
	d := digits(s)
	return len(d) == 9 && d[0] != 0 && luhn(d)
}

// tail is a check digit by the sum of weights, as Brazil computes them.
func tail(sum int) int {
	if r := sum % 11; r >= 2 {
		return 11 - r
	}
	return 0
}

func isCPF(s string) bool {
	d := digits(s)
	return len(d) == 11 && !same(d) && tail(weighted(d, 10, 9, 8, 7, 6, 5, 4, 3, 2)) == d[9] && tail(weighted(d, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2)) == d[10]
}

func isCNPJ(s string) bool {
	d := digits(s)
	return len(d) == 14 && !same(d) && tail(weighted(d, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)) == d[12] && tail(weighted(d, 6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)) == d[13]
}

func same(d []int) bool {
	for _, v := range d {
		if v != d[0] {
			return false
		}
	}
	return true
}

// isDNI: Spain's letter is that of the number's rest by 23, an X, Y or Z in front of it standing for 0, 1 or 2.
func isDNI(s string) bool {
	s = strings.ToUpper(strings.NewReplacer(" ", "", "-", "", ".", "").Replace(s))
	if len(s) < 2 {
		return false
	}
	body, letter := s[:len(s)-1], s[len(s)-1]
	if i := strings.IndexByte("XYZ", body[0]); i >= 0 {
		body = strconv.Itoa(i) + body[1:]
	}
	n, err := strconv.Atoi(body)
	return err == nil && "TRWAGMYFPDXBNJZSQVHLCKE"[n%23] == letter
}

// isINSEE: the key is 97 less the rest of the number by 97; Corsica's departments are 19 and 18.
func isINSEE(s string) bool {
	s = strings.ToUpper(strings.NewReplacer(" ", "", "-", "", ".", "").Replace(s))
	if len(s) != 15 {
		return false
	}
	n, err := strconv.ParseInt(strings.NewReplacer("2A", "19", "2B", "18").Replace(s[:13]), 10, 64)
	key, err2 := strconv.ParseInt(s[13:], 10, 64)
	return err == nil && err2 == nil && 97-n%97 == key
}

func isSSN(s string) bool {
	d := digits(s)
	return len(d) == 9 && (d[0] != 0 || d[1] != 0 || d[2] != 0) && (d[0] != 6 || d[1] != 6 || d[2] != 6) && d[0] != 9 && (d[3] != 0 || d[4] != 0) && (d[5] != 0 || d[6] != 0 || d[7] != 0 || d[8] != 0)
}

// isVIN: it has letters and digits.
func isVIN(s string) bool { return mixed(s) && len(digits(s)) >= 4 }

// mixed: there are digits, and it is not only them.
func mixed(s string) bool {
	n := len(digits(s))
	return n > 0 && n < len(s)
}

func hasDigits(s string) bool { return len(digits(s)) >= 5 }

// isSecret: what is random has capitals, small letters and digits.
func isSecret(s string) bool {
	var lower, upper bool
	for i := range len(s) {
		lower = lower || s[i] >= 'a' && s[i] <= 'z'
		upper = upper || s[i] >= 'A' && s[i] <= 'Z'
	}
	return lower && upper && len(digits(s)) > 0
}

func isPlace(s string) bool {
	lat, long, _ := strings.Cut(s, ",")
	a, err1 := strconv.ParseFloat(strings.TrimSpace(lat), 64)
	b, err2 := strconv.ParseFloat(strings.TrimSpace(long), 64)
	return err1 == nil && err2 == nil && a >= -90 && a <= 90 && b >= -180 && b <= 180
}

// isAbroad: a number of a telephone says its country.
func isAbroad(s string) bool { return strings.HasPrefix(s, "+") || strings.HasPrefix(s, "00") }
