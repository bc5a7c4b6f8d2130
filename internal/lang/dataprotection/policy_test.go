package dataprotection_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/obidos-cloud/obidos/internal/lang/dataprotection"
)

const arn = "arn:aws:dataprotection::aws:data-identifier/"

// policyOf is a policy about identifiers, with custom ones as AWS writes them.
func policyOf(custom string, identifiers ...string) string {
	list := `["` + strings.Join(identifiers, `","`) + `"]`
	if custom != "" {
		custom = `"Configuration":{"CustomDataIdentifier":[` + custom + `]},`
	}
	return `{"Name":"p","Description":"d","Version":"2021-06-01",` + custom + `"Statement":[{"Sid":"audit","DataIdentifier":` + list +
		`,"Operation":{"Audit":{"FindingsDestination":{"CloudWatchLogs":{"LogGroup":"/audit"}}}}},{"Sid":"redact","DataIdentifier":` + list +
		`,"Operation":{"Deidentify":{"MaskConfig":{}}}}]}`
}

func parse(t *testing.T, text string) *dataprotection.Policy {
	t.Helper()
	p, err := dataprotection.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestWhatIsNoPolicyIsRefused(t *testing.T) {
	t.Parallel()
	good := policyOf("", arn+"EmailAddress")
	for text, want := range map[string]string{
		"":              "not valid",
		"{":             "not valid",
		good + "{}":     "something behind it",
		`{"Version":1}`: "not valid",
		strings.Replace(good, "2021-06-01", "2012-10-17", 1):                                               "needs the Version",
		strings.Replace(good, `"Name"`, `"Names"`, 1):                                                      `unknown field "Names"`,
		`{"Version":"2021-06-01","Statement":[]}`:                                                          "one that deidentifies",
		strings.Replace(good, `{"MaskConfig":{}}`, `{"MaskConfig":{"a":1}}`, 1):                            "MaskConfig that is empty",
		strings.Replace(good, `{"MaskConfig":{}}`, `{}`, 1):                                                "MaskConfig that is empty",
		strings.Replace(good, `{"FindingsDestination":{"CloudWatchLogs":{"LogGroup":"/audit"}}}`, `{}`, 1): "needs a FindingsDestination",
		strings.Replace(good, `{"LogGroup":"/audit"}`, `{}`, 1):                                            "needs a name",
		strings.Replace(good, "EmailAddress", "IpAddress", 1):                                              "the same DataIdentifier",
		strings.Replace(good, `"Audit":{"F`, `"Deidentify":{},"Audit":{"F`, 1):                             "either Audit or Deidentify",
		policyOf("", arn+"Name"):                                                                           "The data identifier Name is not served",
		policyOf("", arn+"Nothing"):                                                                        "There is no data identifier",
		policyOf("", "EmailAddress"):                                                                       "There is no data identifier EmailAddress",
		policyOf("", arn+"EmailAddress", arn+"EmailAddress"):                                               "named twice",
		policyOf("", arn+"DriversLicense"):                                                                 "There is no data identifier",
		policyOf(`{"Name":"A b","Regex":"a"}`, "A b"):                                                      "The name of a custom",
		policyOf(`{"Name":"A","Regex":"(a)"}`, "A"):                                                        "not supported",
		policyOf(`{"Name":"A","Regex":"a*"}`, "A"):                                                         "finds nothing anywhere",
		policyOf(`{"Name":"A","Regex":"[a"}`, "A"):                                                         "not valid",
		policyOf(`{"Name":"A","Regex":"a"}`, arn+"EmailAddress"):                                           "not used",
		policyOf(`{"Name":"EmailAddress","Regex":"a"}`, "EmailAddress"):                                    "already",
		policyOf(`{"Name":"A","Regex":"a"},{"Name":"A","Regex":"b"}`, "A"):                                 "already",
		policyOf(strings.TrimSuffix(strings.Repeat(`{"Name":"A","Regex":"a"},`, 11), ","), "A"):            "10 custom",
		strings.Replace(good, `"d"`, `"`+strings.Repeat("d", 31_000)+`"`, 1):                               "characters",
	} {
		_, err := dataprotection.Parse(text)
		if e, ok := errors.AsType[*dataprotection.Error](err); !ok || !strings.Contains(e.Message, want) {
			t.Errorf("%.200s: %v, want %q", text, err, want)
		}
	}
	p := parse(t, policyOf(`{"Name":"Employee","Regex":"E-\\d{9}"}`, arn+"EmailAddress", "Employee"))
	if !slices.Equal(p.Identifiers, []string{"EmailAddress", "Employee"}) || p.Destinations.LogGroup != "/audit" {
		t.Errorf("%+v", p)
	}
}

// What is found and what is not, by identifier: the text with stars.
func TestIdentifiers(t *testing.T) {
	t.Parallel()
	for id, texts := range map[string][][2]string{
		"EmailAddress": {
			{`{"mail": "jane.doe+x@example.co.uk", "n": 1}`, `{"mail": "************************", "n": 1}`},
			{"from <a@b.example>, to c@d", "from <***********>, to c@d"},
			{"user=jane@example.com. mailto:.x@y.org.uk1 @a.com a@.com a.@b.com a@b.c", "user=****************. mailto:.*******.uk1 @a.com a@.com a.@b.com a@b.c"},
		},
		"IpAddress": {
			{"10.1.2.3 - - GET", "******** - - GET"},
			{"version 1.2.3.4.5 of 300.1.2.3", "version 1.2.3.4.5 of 300.1.2.3"},
			{"ip:203.0.113.7:443; 10.0.0.1. cafe:: dead.beef.1.2", "ip:***********:443; ********. ****** dead.beef.1.2"},
			{"client [2001:db8::1]:443, ::1 at 12:30:45", "client [***********]:443, *** at 12:30:45"},
		},
		"AwsSecretKey": {
			{"aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"[:24] + strings.Repeat("*", 40)},
			{"secret_key=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY;", "secret_key=" + strings.Repeat("*", 40) + ";"},
			{"sha da39a3ee5e6b4b0d3255bfef95601890afd80709", "sha da39a3ee5e6b4b0d3255bfef95601890afd80709"},
		},
		"PkcsPrivateKey": {{"k: -----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY----- .", "k: " + strings.Repeat("*", 66) + " ."}},
		"CreditCardNumber": {
			{`{"creditCardNumber": "4539 1488 0343 6467"}`, `{"creditCardNumber": "*******************"}`},
			{"visa 4539148803436467", "visa ****************"},
			{"visa 4539148803436468 4111111111111111", "visa 4539148803436468 4111111111111111"},
			{"order 4539148803436467", "order 4539148803436467"},
		},
		"CreditCardSecurityCode": {{"cvv: 123", "cvv: ***"}, {"code 123", "code 123"}},
		"CreditCardExpiration":   {{"expiration: 09/29", "expiration: *****"}},
		"BankAccountNumber-DE":   {{"IBAN: DE89 3704 0044 0532 0130 00", "IBAN: " + strings.Repeat("*", 27)}, {"IBAN: DE88370400440532013000", "IBAN: DE88370400440532013000"}},
		"BankAccountNumber-US":   {{"checking account 000123456789", "checking account ************"}},
		"Ssn-US": {
			{"ssn=123-45-6789", "ssn=***********"},
			{"SSN 000-12-3456", "SSN 000-12-3456"},
			{"part 123-45-6789", "part 123-45-6789"},
			{"Social Security " + strings.Repeat(".", 40) + " 123-45-6789", "Social Security " + strings.Repeat(".", 40) + " 123-45-6789"},
		},
		"PhoneNumber-US": {
			{"phone: (425) 555-0188", "phone: **************"}, {"call +1 425-555-0188", "call ***************"}, {"id 4255550188", "id 4255550188"},
		},
		"PhoneNumber-GB":                  {{"tel 020 7946 0958", "tel *************"}},
		"PhoneNumber-DE":                  {{"+49 30 901820", "*************"}},
		"PostalCode-CA":                   {{"K1A 0B1", "*******"}},
		"ZipCode-US":                      {{"zip code 98109-1234", "zip code **********"}},
		"NhsNumber-GB":                    {{"NHS 943 476 5919", "NHS ************"}, {"NHS 943 476 5918", "NHS 943 476 5918"}},
		"NationalInsuranceNumber-GB":      {{"nino AB123456C", "nino *********"}},
		"DrugEnforcementAgencyNumber-US":  {{"DEA number AB1234563", "DEA number *********"}, {"DEA number AB1234564", "DEA number AB1234564"}},
		"NationalProviderId-US":           {{"npi 1234567893", "npi **********"}, {"npi 1234567890", "npi 1234567890"}},
		"MedicareBeneficiaryNumber-US":    {{"MBI 1EG4-TE5-MK73", "MBI *************"}},
		"CpfCode-BR":                      {{"cpf 529.982.247-25", "cpf **************"}, {"cpf 529.982.247-24", "cpf 529.982.247-24"}},
		"Cnpj-BR":                         {{"CNPJ: 11.222.333/0001-81", "CNPJ: ******************"}},
		"CepCode-BR":                      {{"CEP 01310-100", "CEP *********"}},
		"NationalIdentificationNumber-ES": {{"DNI 12345678Z", "DNI *********"}, {"DNI 12345678A", "DNI 12345678A"}},
		"NationalIdentificationNumber-IT": {{"codice fiscale RSSMRA85T10A562S", "codice fiscale ****************"}},
		"NieNumber-ES":                    {{"NIE X1234567L", "NIE *********"}},
		"InseeCode-FR":                    {{"INSEE 2 55 08 14 168 025 38", "INSEE *********************"}},
		"SocialInsuranceNumber-CA":        {{"SIN 046 454 286", "SIN 046 454 286"}, {"SIN 130 692 544", "SIN ***********"}},
		"VehicleIdentificationNumber":     {{"vin: 1HGCM82633A004352", "vin: *****************"}, {"moving 1HGCM82633A004352", "moving 1HGCM82633A004352"}},
		"LatLong":                         {{"location 41.948614,-87.655311", "location ********************"}, {"location 141.9,-87.6", "location 141.9,-87.6"}},
		"DateOfBirth":                     {{"dob 1985-04-12 and birthday: April 12, 1985", "dob ********** and birthday: **************"}},
		"PassportNumber-GB":               {{"passport no 123456789", "passport no *********"}},
		"DriversLicense-DE":               {{"FÜHRERSCHEIN B072RRE2I55", "FÜHRERSCHEIN ***********"}},
		"DriversLicense-US":               {{"driver's license D1234567", "driver's license ********"}},
		"DriversLicense-BG":               {{"шофьорска книжка 123456789", "шофьорска книжка *********"}},
		"TaxId-GB":                        {{"UTR 1234567890", "UTR **********"}},
		"NationalDrugCode-US":             {{"ndc 0777-3105-02", "ndc ************"}},
	} {
		f := dataprotection.NewFinder(parse(t, policyOf("", arn+id)))
		for _, c := range texts {
			if got := f.Mask(c[0]); got != c[1] {
				t.Errorf("%s: %s\nbecomes %s\nwant    %s", id, c[0], got, c[1])
			}
		}
	}
}

func TestCustomIdentifiersCountAnywhere(t *testing.T) {
	t.Parallel()
	f := dataprotection.NewFinder(parse(t, policyOf(`{"Name":"Employee","Regex":"E-\\d{3}"}`, "Employee")), parse(t, policyOf("", arn+"EmailAddress")))
	const text = "ümE-123456 a@b.example"
	if got := f.Mask(text); got != "üm*****456 ***********" {
		t.Errorf("masked to %s", got)
	}
	want := []dataprotection.Finding{{Identifier: "Employee", Start: 3, End: 8}, {Identifier: "EmailAddress", Start: 12, End: 23}}
	if got := f.Find(text); !slices.Equal(got, want) {
		t.Errorf("found %v, want %v", got, want)
	}
}

// Every identifier that is named can be compiled, and none finds anything in nothing.
func TestAllIdentifiers(t *testing.T) {
	t.Parallel()
	names := dataprotection.Names()
	for _, name := range names {
		f := dataprotection.NewFinder(parse(t, policyOf("", arn+name)))
		if got := f.Find(""); got != nil {
			t.Errorf("%s finds %v", name, got)
		}
	}
	slices.Sort(names)
	if len(slices.Compact(names)) < 100-7 {
		t.Errorf("%d identifiers", len(names))
	}
}

func FuzzFind(f *testing.F) {
	var all []string
	for _, name := range dataprotection.Names() {
		all = append(all, arn+name)
	}
	p, err := dataprotection.Parse(policyOf("", all...))
	if err != nil {
		f.Fatal(err)
	}
	finder := dataprotection.NewFinder(p)
	for _, s := range []string{"", "visa 4539148803436467", "a@b.example", "\xff ssn 123-45-6789 \xc3", "DNI Z", "iban DE", "cnpj 00", "İ dob 1.1.85", "X npi 1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, x := range finder.Find(text) {
			if x.Start < 0 || x.End > len(text) || x.Start >= x.End {
				t.Fatalf("%q: %+v", text, x)
			}
		}
		if masked := finder.Mask(text); len(masked) > len(text) {
			t.Fatalf("%q becomes %q", text, masked)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add(policyOf("", arn+"EmailAddress"))
	f.Add(policyOf(`{"Name":"A","Regex":"[a-z]+"}`, "A"))
	f.Fuzz(func(t *testing.T, text string) {
		p, err := dataprotection.Parse(text)
		if err == nil {
			dataprotection.NewFinder(p).Mask(text)
		}
	})
}

func BenchmarkMask(b *testing.B) {
	p, err := dataprotection.Parse(policyOf("", arn+"EmailAddress", arn+"IpAddress", arn+"CreditCardNumber", arn+"Ssn-US", arn+"AwsSecretKey"))
	if err != nil {
		b.Fatal(err)
	}
	f := dataprotection.NewFinder(p)
	const text = `{"level":"info","time":"2026-11-23T19:00:00Z","msg":"request handled","path":"/orders/1234","user":"jane@example.com","ip":"203.0.113.7","ms":12}`
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		f.Mask(text)
	}
}
